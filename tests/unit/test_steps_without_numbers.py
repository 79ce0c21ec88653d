"""Reports that are NaN or infinite: on their way, on the page of a trial, and in the pause."""

from __future__ import annotations

import io
import math
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.support.made_trials import made_trial
from tuner.cli.reading.feed import News
from tuner.cli.render import output
from tuner.cli.render.study.progress import StudyProgress
from tuner.cli.render.trial.page import print_trial
from tuner.proposals.failure_streaks import FailureStreaks
from tuner.protocol import Point, encode_number
from tuner.trials.states import TrialState
from workers.agent.api import WorkerApi
from workers.agent.outbox import Outbox

METRICS = [{"name": "f1", "goal": "maximize"}]


def console() -> tuple[Console, io.StringIO]:
    page = io.StringIO()
    return Console(file=page, width=200, no_color=True, theme=output._THEME), page


def trial(state: str, reports: list[float], objective: float | None = None) -> dict[str, Any]:
    return {
        "trial": 3,
        "state": state,
        "cause": None,
        "objective": objective,
        "params": {"x": 0.5},
        "metrics": {},
        "started": None,
        "duration_s": 1.0,
        "run_dir": None,
        "seed": 1,
        "error": "",
        "stop": None,
        "attempt_list": [],
        "events": [],
        "reports": [
            {"attempt": 1, "step": step, "value": value if math.isfinite(value) else None}
            for step, value in enumerate(reports, start=1)
        ],
    }


def point(step: int, value: float) -> Point:
    return Point(step=step, value=encode_number(value))


def test_the_first_number_goes_at_once_whatever_was_sent_before() -> None:
    outbox = Outbox(WorkerApi("http://127.0.0.1:9", "token"), "attempt", "token")
    outbox.add(point(1, math.nan))
    assert outbox.due_at() <= time.monotonic()
    assert outbox.post(time.monotonic() + 1e6) is None, "nobody listens: it waits"
    outbox.add(point(2, math.inf))
    assert outbox.due_at() > time.monotonic()
    outbox.add(point(3, 0.5))
    assert outbox.due_at() <= time.monotonic()
    outbox.post(time.monotonic() + 1e6)
    outbox.add(point(4, 0.5))
    assert outbox.due_at() > time.monotonic(), "the second number waits for its turn"


@pytest.mark.parametrize(
    ("reports", "says"),
    [
        ([math.nan, 0.2, 0.4], "step 1: no number; no pruner looks at it"),
        ([0.1, math.inf, math.nan, 0.4], "steps 2, 3: no number"),
        ([math.nan] * 10, "steps 1, 2, 3, 4, 5, 6, 7, 8 and 2 more: no number"),
    ],
)
def test_the_page_of_a_trial_says_which_steps_had_no_number(
    reports: list[float], says: str
) -> None:
    out, page = console()
    print_trial(out, "p/s", trial("COMPLETE", reports, 0.4), METRICS, log_root=Path("/logs"))

    assert says in page.getvalue()


def test_a_pruned_trial_without_a_number_is_told_as_such() -> None:
    counts = {"waiting": 0, "running": 0, "complete": 0, "pruned": 1, "fail": 0}
    budget = {"trials": 9, "used": 1, "hours": None, "used_hours": 0.0}
    status = {"study": "p/s", "state": "running", "reason": "", "counts": counts, "best": None}
    status |= {"metrics": METRICS, "budget": budget, "workers": 1}
    out, page = console()
    with StudyProgress(out, status) as progress:
        progress.show(News(status=status, ended=(trial("PRUNED", [math.nan]),)))

    assert "pruned, no number" in page.getvalue()


def told(*objectives: float | None, state: TrialState = TrialState.PRUNED) -> list[str]:
    streaks = FailureStreaks("p/s")
    for number, objective in enumerate(objectives):
        streaks.note(made_trial(number, state, objective=objective, finished=1.0))
    return streaks.reasons


def test_three_first_trials_pruned_without_a_value_are_a_reason_to_pause() -> None:
    (reason,) = told(None, None, None)

    assert reason.startswith("the first 3 trials were pruned before they reported a number")
    assert reason.endswith("continue anyway: tuner resume p/s")
    assert told(None, None) == []
    assert told(None, 0.5, None, None) == []
    assert told(0.5, None, None, None) == []
    assert told(None, None, None, state=TrialState.COMPLETE) == []
