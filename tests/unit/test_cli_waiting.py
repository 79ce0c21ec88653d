"""What a command says while nothing else moves on the screen."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from tuner.cli.render import waiting as module
from tuner.cli.render.waiting import waiting

LIMIT_S = 30.0


def said(
    monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool = True, is_shown: bool = True
) -> str:
    """Return what is said of something that takes long."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=is_terminal, width=80)
    monkeypatch.setattr(module, "err", lambda: console)
    monkeypatch.setattr(module, "out", lambda: console)
    monkeypatch.setattr(module, "_AFTER_S", 0.0)
    with waiting("starting the service", is_shown=is_shown):
        deadline = time.monotonic() + LIMIT_S
        while is_terminal and is_shown and not file.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    return file.getvalue()


def test_what_takes_long_is_said_on_a_terminal_and_goes_when_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = said(monkeypatch)

    assert "starting the service …" in text
    assert text.rstrip("\n").endswith("\x1b[2K"), "the line is erased"


def test_a_dumb_terminal_gets_a_plain_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")

    assert said(monkeypatch) == "starting the service …\n"


def test_a_pipe_and_json_get_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, is_terminal=False) == ""
    assert said(monkeypatch, is_shown=False) == ""


def test_what_is_over_at_once_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True)
    monkeypatch.setattr(module, "err", lambda: console)
    monkeypatch.setattr(module, "out", lambda: console)
    monkeypatch.setattr(module, "_AFTER_S", LIMIT_S)
    with waiting("starting the service"):
        pass

    assert file.getvalue() == ""
