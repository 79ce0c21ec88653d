"""The lines of `tuner run`, on screens of any width."""

from __future__ import annotations

import io
import re
import sys
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from tuner.cli.reading.feed import News
from tuner.cli.render import output
from tuner.cli.render.study.progress import StudyProgress

PARAMS = {"train.learning_rate": 0.00921, "train.optimizer": "adam", "model.width": 64, "fixed": 3}
ORDER = ("model.width", "train.learning_rate", "train.optimizer")


def status(**changes: Any) -> dict[str, Any]:
    return {
        "study": "demo/toy",
        "state": "running",
        "reason": "",
        "counts": {"waiting": 0, "running": 1, "complete": 1, "pruned": 0, "fail": 0},
        "best": None,
        "metrics": [{"name": "val_accuracy", "goal": "maximize"}],
        "budget": {"trials": 30, "used": 1, "hours": None, "used_hours": 0.1},
        **changes,
    }


def trial(number: int, state: str, value: float | None, **changes: Any) -> dict[str, Any]:
    return {
        "trial": number,
        "state": state,
        "objective": value,
        "metrics": {},
        "params": PARAMS,
        "duration_s": 12.3,
        "cause": None,
        "error": "",
        **changes,
    }


def printed(width: int, *news: News, is_terminal: bool = False) -> list[str]:
    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=is_terminal, no_color=True, theme=output._THEME
    )
    progress = StudyProgress(console, status())
    for one in news:
        progress.show(one)
    return [Text.from_ansi(line).plain.rstrip() for line in file.getvalue().splitlines()]


ENDED = (
    trial(0, "COMPLETE", 0.5),
    trial(1, "PRUNED", 0.123456),
    trial(2, "COMPLETE", 0.25),
    trial(3, "FAIL", None, cause="error", error="Traceback\nValueError: " + "x" * 200),
)


@pytest.mark.parametrize("width", [60, 80, 110, 200])
def test_a_trial_is_one_line_with_what_matters_first_and_whole(width: int) -> None:
    lines = printed(width, News(status=status(), ended=ENDED, order=ORDER), is_terminal=True)
    text = "\n".join(lines)

    assert len(lines) == len(ENDED)
    assert max(map(len, lines)) <= width
    assert text.count("width=64") == 3, "the parameter that matters most"
    assert "fixed=" not in text, "it is the same in every line"
    assert text.count("best") == 1
    assert text.count("pruned") >= 1
    assert "failed (error) ValueError" in text
    assert text.count("…") >= 1, "what is cut has a mark"
    if width == 60:
        assert "+2 more" in text
    if width == 200:
        assert "width=64 learning_rate=0.00921 optimizer=adam" in text


def test_lines_say_the_metric_where_there_is_room() -> None:
    wide = "\n".join(printed(120, News(status=status(), ended=ENDED)))
    narrow = "\n".join(printed(80, News(status=status(), ended=ENDED)))

    assert "trial  0  val_accuracy 0.5" in wide
    assert "pruned at 0.123456" in wide
    assert "trial  0  0.5       best" in narrow
    assert "trial  1  0.123456  pruned" in narrow


def test_until_a_trial_runs_it_says_what_is_waited_for() -> None:
    console = Console(file=io.StringIO(), width=120)
    progress = StudyProgress(console, status(), first_waits_for="the workers import Keras")
    idle = status(counts={"waiting": 0, "running": 0, "complete": 0, "pruned": 0, "fail": 0})

    assert progress._counts(idle) == "the workers import Keras"
    assert progress._counts(status()) == "1 running"
    assert progress._counts(idle) == "waiting for workers"
    held = {**idle, "reason": "the log root is full; make room"}
    assert progress._counts(held) == "the log root is full"


def test_a_log_that_is_given_colours_is_not_moved_about_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """FORCE_COLOR, as CI jobs have it, makes a terminal of a file in the eyes of rich."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="utf-8"))
    console = output._console(stderr=False)
    with StudyProgress(console, status()) as progress:
        progress.show(News(status=status(), ended=ENDED, order=ORDER))
    sys.stdout.flush()
    text = written.getvalue().decode()

    assert "\x1b[32m" in text
    assert re.findall(r"\x1b\[[0-9;?]*[^0-9;?m]|[\r\x07]", text) == []
    assert len(text.splitlines()) == len(ENDED)
