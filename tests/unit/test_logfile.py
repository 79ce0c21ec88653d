"""What a trial printed is read across a rotation, and what is gone is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.roots import Place
from tuner.service.logfile import EMPTY, read_log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of which 100 bytes are gone, 5 are in the part that was moved, 3 in the last one."""
    path = tmp_path / "output.log"
    path.write_text("fgh")
    (tmp_path / "output.log.1").write_text("abcde")
    (tmp_path / "output.log.gone").write_text("100\n")
    return path


def test_the_whole_is_read_from_its_beginning(log: Path) -> None:
    expected = {**EMPTY, "text": "abcdefgh", "next_offset": 108, "size": 108, "gone": 100}

    assert read_log(Place(log.parent), 0, 1000) == expected
    assert read_log(Place(log.parent), 100, 1000) == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7])
def test_pieces_join_to_the_whole(log: Path, limit: int) -> None:
    offset, text = 0, ""
    while True:
        page = read_log(Place(log.parent), offset, limit)
        if not page["text"]:
            break
        assert len(page["text"]) <= limit
        text += page["text"]
        offset = page["next_offset"]

    assert text == "abcdefgh"


def test_what_was_read_is_not_read_again_after_a_rotation(log: Path) -> None:
    offset = read_log(Place(log.parent), 0, 1000)["next_offset"]
    (log.with_name("output.log.1")).write_text("fgh")
    (log.with_name("output.log.gone")).write_text("105\n")
    log.write_text("ij")

    assert read_log(Place(log.parent), offset, 1000)["text"] == "ij"


def test_a_negative_offset_counts_from_the_end(log: Path) -> None:
    assert read_log(Place(log.parent), -4, 1000)["text"] == "efgh"
    assert read_log(Place(log.parent), -4000, 1000)["text"] == "abcdefgh"


def test_a_log_that_was_never_moved_is_read_as_it_stands(tmp_path: Path) -> None:
    path, place = tmp_path / "output.log", Place(tmp_path)
    assert read_log(place, 0, 10) == EMPTY
    path.write_text("abc")

    assert read_log(place, 1, 10) == {
        **EMPTY,
        "text": "bc",
        "next_offset": 3,
        "size": 3,
        "gone": 0,
    }
    assert read_log(place, 9, 10)["text"] == "abc", "shorter than before: from its beginning"


def test_a_count_that_is_damaged_counts_nothing(log: Path) -> None:
    log.with_name("output.log.gone").write_text("many")

    assert read_log(Place(log.parent), 0, 1000)["gone"] == 0
