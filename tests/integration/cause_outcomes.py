"""What is asserted of every trial that a cause has ended, or that completed in spite of one."""

from __future__ import annotations

from typing import Any

from optuna.trial import TrialState

from tests.integration.cause_fleet import (
    attempts,
    drawn,
    read_record,
)
from tests.support.study_lab import Lab
from tuner.trials.causes import CAUSE_ATTR


def assert_failed(
    lab: Lab, cause: str, *, used: int, number: int = 0, tries: int = 1
) -> dict[str, Any]:
    """Assert that a trial ended FAIL with `cause` after so many attempts like it; return the trial.

    `used` is what the study has used of its budget when it has ended.
    """
    status = lab.wait_closed()
    trial, begun = lab.show(number), attempts(lab, number)
    assert (trial["state"], trial["cause"]) == ("FAIL", cause), trial["error"]
    assert [a["cause"] for a in begun] == [cause] * tries
    assert status["budget"]["used"] == used
    told = lab.optuna_trials()[number]
    assert (told.state, told.values) == (TrialState.FAIL, None)
    assert told.system_attrs[CAUSE_ATTR] == cause
    for attempt in begun:
        record = read_record(lab, attempt)
        assert (record["cause"], record["objective"]) == (cause, None)
        assert record["error"] == attempt["error"]
        assert len(record["error"].splitlines()) <= 50
        shown = drawn(lab, attempt)
        assert shown["status"] == "failure"
        assert "objective" not in shown["scalars"]
    return trial


def assert_completed(lab: Lab, *causes: str) -> list[dict[str, Any]]:
    """Assert that the first trial completed after attempts with these causes; return them all."""
    status = lab.wait_closed()
    trial = lab.show(0)
    begun = attempts(lab)
    assert (trial["state"], trial["cause"]) == ("COMPLETE", None), trial["error"]
    assert [a["cause"] for a in begun] == [*causes, None]
    assert status["budget"]["used"] == 1
    assert lab.optuna_trials()[0].state == TrialState.COMPLETE
    for attempt in begun:
        shown = drawn(lab, attempt)
        read_record(lab, attempt)
        assert ("objective" in shown["scalars"]) == (attempt is begun[-1])
    return begun
