from __future__ import annotations

import itertools
from typing import Any

import pytest

from tuner.cli.exit_codes import DONE, FAILED, INTERRUPTED, NO_ANSWER, NO_RESULT, TIME_UP, WRONG
from tuner.cli.following.gate import GateVerdict, QualityGate, judge
from tuner.errors import SpecError

UP, DOWN = [("score", "maximize")], [("loss", "minimize")]


def status(best: float | None = 0.5, state: str = "finished", complete: int = 3) -> dict[str, Any]:
    found = None if best is None else {"trial": 2, "objective": best, "pareto": None}
    return {"study": "demo/toy", "state": state, "counts": {"complete": complete}, "best": found}


def test_each_end_has_an_exit_code_of_its_own() -> None:
    codes = [DONE, FAILED, WRONG, INTERRUPTED, NO_ANSWER, NO_RESULT, TIME_UP]

    assert len(set(codes)) == len(codes)
    assert (NO_RESULT, TIME_UP, NO_ANSWER) == (3, 4, 5), "pipelines rely on them"


@pytest.mark.parametrize(
    ("gate", "best", "code"),
    [
        (QualityGate.chosen(0.5, None, UP), 0.5, DONE),
        (QualityGate.chosen(0.5, None, UP), 0.6, DONE),
        (QualityGate.chosen(0.5, None, UP), 0.4999999, FAILED),
        (QualityGate.chosen(None, 0.5, DOWN), 0.5, DONE),
        (QualityGate.chosen(None, 0.5, DOWN), 0.4, DONE),
        (QualityGate.chosen(None, 0.5, DOWN), 0.5000001, FAILED),
        (QualityGate.chosen(-1.0, None, UP), -2.0, FAILED),
        (QualityGate.chosen(0.0, None, UP), 0.0, DONE),
    ],
)
def test_a_value_is_reached_by_the_goal_of_the_study(
    gate: QualityGate, best: float, code: int
) -> None:
    verdict = judge(status(best), gate)

    assert verdict.code == code
    assert verdict.outcome == ("reached" if code == DONE else "not_reached")
    assert repr(best) in verdict.text, "rounded, 0.4999999 would look like 0.5"
    assert "trial 2" in verdict.text


@pytest.mark.parametrize(
    ("seen", "without", "with_gate"),
    [
        (status(), GateVerdict(outcome="finished", code=0), "reached"),
        (status(state="failed"), 1, "failed"),
        (status(state="cancelled"), 1, "failed"),
        (status(state="paused"), 1, "failed"),
        (status(None, complete=0), 1, "failed"),
        (status(0.9, state="failed"), 1, "failed"),
    ],
)
def test_a_study_that_failed_is_told_from_one_that_was_not_good_enough(
    seen: dict[str, Any], without: GateVerdict | int, with_gate: str
) -> None:
    gate = QualityGate.chosen(0.5, None, UP)
    plain, judged = judge(seen, None), judge(seen, gate)

    assert plain == without if isinstance(without, GateVerdict) else plain.code == without
    assert judged.outcome == with_gate
    assert judged.code == (DONE if with_gate == "reached" else NO_RESULT)


def test_a_time_that_is_up_says_how_it_stands_and_how_to_end_the_study() -> None:
    verdict = judge(
        status(0.4, state="running"), QualityGate.chosen(0.5, None, UP), timed_out_s=7200.0
    )

    assert (verdict.outcome, verdict.code) == ("timeout", TIME_UP)
    for part in ("2 h 00 min", "running", "is under 0.5", "tuner stop demo/toy"):
        assert part in verdict.text
    nothing = judge(status(None, state="running", complete=0), None, timed_out_s=1.0)
    assert (nothing.code, "so far" in nothing.text) == (TIME_UP, False)


@pytest.mark.parametrize(
    ("under", "over", "metrics", "said"),
    [
        (None, 0.5, UP, "--fail-under 0.5"),
        (0.5, 0.5, UP, "give one of them"),
        (0.5, None, [*UP, *DOWN], "several metrics"),
        (None, 0.5, [*UP, *DOWN], "several metrics"),
        (float("nan"), None, UP, "nan"),
        (None, float("inf"), DOWN, "inf"),
    ],
)
def test_an_option_that_does_not_fit_the_study_is_refused_with_the_one_that_does(
    under: float | None, over: float | None, metrics: list[tuple[str, str]], said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        QualityGate.chosen(under, over, metrics)


def test_a_study_that_minimizes_keeps_what_fail_under_meant_before_there_was_fail_over() -> None:
    old = QualityGate.chosen(0.5, None, DOWN)
    new = QualityGate.chosen(None, 0.5, DOWN)

    assert old is not None
    assert new is not None
    assert "--fail-over 0.5" in old.remark
    assert new.remark == ""
    for best in (0.4, 0.5, 0.6):
        assert judge(status(best), old) == judge(status(best), new)


def test_without_an_option_nothing_has_to_be_reached() -> None:
    for metrics in (UP, DOWN, [*UP, *DOWN]):
        assert QualityGate.chosen(None, None, metrics) is None


def test_under_and_over_are_never_both_true() -> None:
    values = (-1.0, 0.0, 0.5, 1e300)
    for value, best in itertools.product(values, values):
        up, down = QualityGate.chosen(value, None, UP), QualityGate.chosen(None, value, DOWN)
        assert up is not None
        assert down is not None
        assert up.is_reached(best) or down.is_reached(best)
        assert (up.is_reached(best) and down.is_reached(best)) == (value == best)
