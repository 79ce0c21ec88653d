"""Parquet files that pyarrow wrote, read without it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.history.lab import DATA
from tuner.history.importers.trackers.parquet_metadata import ParquetError, read_groups
from tuner.history.importers.trackers.parquet_pages import read_column, unsnap

FILES = DATA / "parquet"
#: How the files were made: every fifth row holds nothing.
ROWS = [
    None
    if i % 5 == 0
    else {
        "whole": i * i - 500,
        "half": i / 7,
        "small": i % 9,
        "text": f"t{i * i % 97}".encode(),
        "flag": i % 3 == 0,
        "single": float(i),
    }
    for i in range(1000)
]


def read(content: bytes) -> dict[str, list[Any]]:
    file = io.BufferedReader(io.BytesIO(content))
    found: dict[str, list[Any]] = {}
    for group in read_groups(file):
        for name, chunk in group.columns.items():
            found.setdefault(name, []).extend(read_column(file, chunk))
    return found


@pytest.mark.parametrize("name", ["snappy", "gzip-v2", "plain"])
def test_every_type_comes_back_from_pages_of_every_kind(name: str) -> None:
    found = read((FILES / f"{name}.parquet").read_bytes())

    assert found.keys() == {"whole", "half", "small", "text", "flag", "single"}
    for column, values in found.items():
        assert values == [None if row is None else row[column] for row in ROWS], column


@pytest.mark.parametrize(
    ("name", "message"),
    [("zstd", "compressed in a way that is not read here"), ("delta", "encoding that is not read")],
)
def test_what_is_not_read_is_named(name: str, message: str) -> None:
    with pytest.raises(ParquetError, match=message):
        read((FILES / f"{name}.parquet").read_bytes())


@pytest.mark.parametrize("name", ["snappy", "gzip-v2"])
@given(data=st.data())
def test_a_file_with_changed_bytes_is_read_or_refused(name: str, data: st.DataObject) -> None:
    content = bytearray((FILES / f"{name}.parquet").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        # The footer is a tenth of the file, and what is there matters most.
        footer = st.integers(len(content) - 1200, len(content) - 1)
        place = data.draw(st.one_of(footer, st.integers(0, len(content) - 1)))
        content[place] = data.draw(st.integers(0, 255))
    try:
        read(bytes(content))
    except ParquetError as exc:
        assert str(exc).startswith(("is ", "has "))  # noqa: PT017 - any other error fails the test


@pytest.mark.parametrize("end", [0, 3, 11, 12, 100, -1, -8, -500])
def test_a_file_that_is_cut_is_refused(end: int) -> None:
    content = (FILES / "snappy.parquet").read_bytes()

    with pytest.raises(ParquetError, match="is not a Parquet file"):
        read(content[:end])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x06\x10hello", "shorter than it says"),  # a literal of five bytes that ends too early
        (b"\x08\x00a\x15\x05", "a copy of nothing"),
        (b"\xff\xff\xff\xff\xff\xff", "a number without end"),
        (b"\x01\x0cabcd", "larger than it says"),
        (b"\xff\xff\x7f", "larger than it says"),
    ],
)
def test_damaged_snappy_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(ParquetError, match=message):
        unsnap(body, 1000)


def test_a_copy_of_snappy_may_overlap_with_what_it_makes() -> None:
    assert unsnap(b"\x09\x00a\x11\x01", 100) == b"aaaaaaaaa"
