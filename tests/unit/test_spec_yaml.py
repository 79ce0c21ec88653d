"""YAML as specs use it: version 1.2, and hostile files are refused quickly."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.patience import clock
from tuner.errors import SpecError
from tuner.spec.reading.yaml12 import parse_document, plain_value
from tuner.spec.reading.yaml_file import MAX_BYTES, read_document


def load(text: str) -> Any:
    return parse_document(text, "spec.yaml").data


def refusal(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        read_document(path, path.name)
    return str(caught.value)


def outcome(read: Callable[[], object]) -> str:
    try:
        read()
    except SpecError as refused:
        return str(refused)
    return "spec.yaml is read"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1e-5", 1e-5), ("1E3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-0.25", -0.25), ("+3", 3)),
        *(("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("n", "n")),
        *(("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None)),
        *(("017", 17), ("0o17", 15), ("0x1F", 31), ("1_000", "1_000"), ("0b11", "0b11")),
        *(("12:30:45", "12:30:45"), ("2024-01-01", "2024-01-01"), ("1.2.3", "1.2.3")),
        *(
            (".inf", math.inf),
            ("-.INF", -math.inf),
            ("inf", "inf"),
            ("nan", "nan"),
            ("1e999", math.inf),
        ),
    ],
)
def test_a_plain_word_means_what_yaml_1_2_says(text: str, value: object):
    found = plain_value(text)

    assert (type(found), found) == (type(value), value)
    assert load(f"x: {text}") == {"x": value}


def test_quoted_words_are_texts():
    assert load("""{a: "1e-5", b: 'true', c: "", d: null}""") == {
        "a": "1e-5",
        "b": "true",
        "c": "",
        "d": None,
    }


def test_nan_is_a_number_that_checks_can_refuse():
    assert math.isnan(load("x: .nan")["x"])


def test_every_value_knows_its_line_and_column():
    document = parse_document("a: 1\nb:\n  - {c: 2}\n  - word\n", "spec.yaml")

    assert str(document.mark(("a",))) == "spec.yaml:1:4"
    assert str(document.mark(("b", 0, "c"))) == "spec.yaml:3:9"
    assert str(document.mark(("b", 0, "c"), at_key=True)) == "spec.yaml:3:6"
    assert str(document.mark(("b", 1))) == "spec.yaml:4:5"


def test_what_is_missing_is_placed_at_what_should_hold_it():
    document = parse_document("a: 1\nb:\n  c: 2\n", "spec.yaml")

    assert str(document.mark(("b", "missing", "below"))) == "spec.yaml:3:3"
    assert str(document.mark(("missing",))) == "spec.yaml:1:1"


def test_a_byte_order_mark_is_ignored(tmp_path: Path):
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"\xef\xbb\xbfproject: vision\n")

    assert read_document(path, "spec.yaml").data == {"project": "vision"}


def test_windows_line_ends_are_line_ends():
    document = parse_document("a: 1\r\nb: 2\r\n", "spec.yaml")

    assert document.data == {"a": 1, "b": 2}
    assert str(document.mark(("b",))) == "spec.yaml:2:4"


def test_text_that_is_not_utf_8_is_refused_with_its_place(tmp_path: Path):
    path = tmp_path / "latin.yaml"
    path.write_bytes("project: vision\nstudy: größe\n".encode("latin-1"))

    assert refusal(path) == "latin.yaml:2:10: byte 0xf6: not UTF-8 text"


def test_utf_16_is_refused(tmp_path: Path):
    path = tmp_path / "wide.yaml"
    path.write_bytes("project: vision\n".encode("utf-16"))

    assert refusal(path) == "wide.yaml:1:1: byte 0xff: not UTF-8 text"


def test_control_characters_are_refused_with_their_place():
    with pytest.raises(SpecError, match=r'^spec\.yaml:2:6: "\\u0007": no control characters$'):
        load("a: 1\nb: x \a\n")


def test_a_file_of_300_kib_is_refused_unread(tmp_path: Path):
    path = tmp_path / "large.yaml"
    path.write_text("# " + "x" * 300 * 1024)

    assert refusal(path) == "large.yaml: larger than 256 KiB; a spec is small"


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path):
    path = tmp_path / "full.yaml"
    path.write_text("a: 1\n#".ljust(MAX_BYTES, "x"))

    assert read_document(path, "full.yaml").data == {"a": 1}


def test_what_is_not_a_file_is_refused(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.yaml")

    assert refusal(tmp_path) == f"{tmp_path.name}: a folder or device; a YAML file is needed"
    assert refusal(tmp_path / "pipe.yaml") == "pipe.yaml: a folder or device; a YAML file is needed"
    assert refusal(tmp_path / "none.yaml") == "none.yaml: no such file; a YAML file is needed"
    assert "cannot be read: File name too long" in refusal(tmp_path / ("n" * 300))
    assert refusal(Path("a\0b")).startswith('"a\\u0000b"') or "no such file" in refusal(
        Path("a\0b")
    )


def test_a_file_that_cannot_be_read_is_refused():
    # A regular file that nobody can read from its start, not even root.
    assert refusal(Path("/proc/self/mem")) == "mem: cannot be read: Input/output error"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "{a: " * 60_000,
        "- " * 100_000,
        "&a [" * 50_000,
        "x: " + "9" * 200_000,
        "x: '" + "a" * 200_000,
        "? " * 100_000,
        "a: &a [x]\n" + "".join(f"k{i}: [*a, *a]\n" for i in range(10_000)),
    ],
)
def test_a_hostile_file_is_refused_quickly(text: str):
    start = clock()

    with pytest.raises(SpecError):
        load(text)

    assert clock() - start < 20


@given(st.text(max_size=200))
def test_any_text_gives_values_or_a_spec_error(text: str):
    assert outcome(lambda: load(text)).startswith("spec.yaml")


@given(st.binary(max_size=200))
def test_any_bytes_give_values_or_a_spec_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
):
    path = tmp_path_factory.mktemp("bytes") / "spec.yaml"
    path.write_bytes(raw)

    assert outcome(lambda: read_document(path, "spec.yaml")).startswith("spec.yaml")
