"""What the pictures of README.md show of a terminal is what was left on its screen."""

from __future__ import annotations

from rich.text import Text

from tests.pictures.terminal import shown, to_svg


def test_a_live_display_is_shown_as_it_was_left() -> None:
    written = (
        "begins\r\n"
        "bar 0%\r\nbar two 0%"
        "\r\x1b[2K\x1b[1A\x1b[2K\x1b[32mtrial 0\x1b[0m\r\n"
        "bar 50%\r\nbar two 50%"
        "\r\x1b[2K\x1b[1A\x1b[2K\x1b[?25hdone\r\n\r\n"
    )

    assert [Text.from_ansi(line).plain for line in shown(written)] == ["begins", "trial 0", "done"]


def test_a_long_line_goes_on_in_the_next_one() -> None:
    svg = to_svg(["abcdefghij"], title="tuner", columns=6)

    assert ">abcdef</text>" in svg
    assert ">ghij" in svg


def test_colours_reach_the_picture() -> None:
    plain = to_svg(shown("green\r\n"), title="tuner", columns=40)
    coloured = to_svg(shown("\x1b[1;32mgreen\x1b[0m\r\n"), title="tuner", columns=40)

    assert "green" in coloured
    assert "font-weight: bold" in coloured
    assert "font-weight: bold" not in plain.partition("-r1")[2]
