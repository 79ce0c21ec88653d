from __future__ import annotations

import json
import sys

import pytest

from tests.support.terminal import HOSTILE, steers
from tuner.visible import LogView, escape_json, visible


def log(*pieces: str, colours: bool = True) -> str:
    view = LogView(colours=colours)
    return "".join(view.show(piece) for piece in pieces) + view.end()


def test_every_character_that_steers_or_cannot_be_seen_is_written_out() -> None:
    every = (chr(code) for code in range(sys.maxunicode + 1))

    assert [hex(ord(c)) for c in every if steers(c) and visible(c) == c] == []


def test_letters_of_all_scripts_and_signs_stay_as_they_are() -> None:
    text = "ä 值 עברית عربي 🙂 ❤️ ▁▄█ → … \t\n"

    assert visible(text) == text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b", "\\x9b"),
        ("\u202e", "\\u202e"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_is_written_out_reads_as_python_types_it(raw: str, shown: str) -> None:
    assert visible(raw) == shown
    assert visible(shown) == shown


def test_json_holds_nothing_raw_and_means_the_same() -> None:
    document = json.dumps({HOSTILE: [HOSTILE, "ü"]}, ensure_ascii=False, indent=2)
    escaped = escape_json(document)

    assert not [c for c in escaped if steers(c)]
    assert json.loads(escaped) == {HOSTILE: [HOSTILE, "ü"]}
    assert "ü" in escaped


@pytest.mark.parametrize(
    "colour", ["\x1b[31m", "\x1b[1;32m", "\x1b[38;5;208m", "\x1b[48;2;1;2;3m", "\x1b[0m", "\x1b[m"]
)
def test_plain_colours_pass_in_a_log_wherever_it_was_cut(colour: str) -> None:
    text = f"a{colour}b\x1b[0m"

    for at in range(len(text) + 1):
        assert log(text[:at], text[at:]) == text


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[8m",
        "\x1b[5m",
        "\x1b[2J",
        "\x1b[31;8m",
        "\x1b]0;t\x07",
        "\x1bc",
        "\x1b",
        "\x1b[",
        "\x9b31m",
    ],
)
def test_no_other_sequence_passes_in_a_log_wherever_it_was_cut(sequence: str) -> None:
    text = f"a{sequence}"

    for at in range(len(text) + 1):
        assert log(text[:at], text[at:]) == visible(text)


def test_a_log_ends_a_colour_that_was_left_on() -> None:
    assert log("\x1b[31mred") == "\x1b[31mred\x1b[0m"


def test_a_log_without_colours_holds_none() -> None:
    assert log("\x1b[31mred\x1b[0m \x1b[2J", colours=False) == "red \\x1b[2J"


def test_a_carriage_return_in_a_log_writes_over_nothing() -> None:
    assert log("one\rtwo\r", "\nthree\r\n") == "one\ntwo\nthree\n"
