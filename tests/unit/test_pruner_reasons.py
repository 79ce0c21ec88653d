"""Every pruner says why it stops a trial: at which step, and against what."""

from __future__ import annotations

import pytest

from tests.support.databases.pruned_study import Study, straight
from tuner.proposals.pruners.marks import HALVED, STOPPED
from tuner.proposals.pruners.wording import halved_text, stop_text


def stopped(study: Study, curve: dict[int, float]) -> tuple[str, dict[str, object]]:
    """Train on a curve that is to be stopped; return what its pruner left."""
    assert study.train(curve) == "pruned"
    attrs = study.in_memory.trial_attrs(len(study.in_memory) - 1)
    (key,) = [key for key in (STOPPED, HALVED) if key in attrs]
    return key, attrs[key]


def test_median_tells_the_median_at_the_step_and_of_how_many() -> None:
    study = Study("median", startup_trials=3, warmup_steps=2)
    for final in (0.1, 0.2, 0.3):
        assert study.train(straight(final)) == "complete"
    key, mark = stopped(study, {1: 2.0, 2: 1.5, 3: 1.4})

    median = pytest.approx(0.2 + 7 / 9)
    assert mark == {"pruner": "median", "step": 2, "value": 1.5, "median": median, "of": 3}
    assert stop_text(key, mark) == (
        "stopped by median at step 2: its best so far, 1.5, is worse than 0.977778, the median of "
        "3 whole trials at that step"
    )


def test_patient_tells_the_best_and_for_how_long_nothing_was_better() -> None:
    study = Study("patient", patience=2)
    key, mark = stopped(study, {1: 3.0, 2: 1.0, 3: 1.5, 4: 1.4, 5: 1.3, 6: 0.1})

    assert mark == {
        "pruner": "patient", "step": 5, "value": 1.0, "at": 2, "reports": 3, "since": 1.3,
    }  # fmt: skip
    assert stop_text(key, mark) == (
        "stopped by patient at step 5: its best so far, 1, was at step 2, and the 3 reports since "
        "came to 1.3 at best"
    )


def test_asha_tells_the_rung_the_rank_and_the_worst_value_that_goes_on() -> None:
    study = Study("asha", min_resource=2, reduction_factor=3)
    for value in (0.1, 0.2, 0.3, 0.4, 0.5):
        study.report(study.add(), 2, value)
    number = study.add()
    study.report(number, 1, 9.0)

    assert study.report(number, 4, 0.45)
    mark = study.mark(number)
    assert (mark["pruner"], mark["bracket"], mark["rung"], mark["step"]) == ("asha", None, 2, 4)
    assert (mark["value"], mark["limit"], mark["rank"], mark["of"]) == (0.45, 0.2, 5, 6)
    assert stop_text(HALVED, mark) == (
        "stopped by asha at step 4, for its first rung, step 2: "
        "0.45 is 5th of 6 there, the best 2 continue (2nd: 0.2)"
    )


def test_hyperband_tells_the_bracket() -> None:
    study = Study("hyperband", min_resource=1, max_resource=9)
    marks = []
    for n in range(60):
        number = study.add()
        for step in range(1, 9):
            if study.report(number, step, float(n)):
                marks.append(study.mark(number))
                break

    assert {mark["pruner"] for mark in marks} == {"hyperband"}
    assert len({mark["bracket"] for mark in marks}) > 1
    for mark in marks:
        assert mark["rung"] >= 3 ** mark["bracket"]
        assert f"stopped by hyperband (bracket {mark['bracket']})" in halved_text(mark)


def test_what_an_earlier_release_left_is_read_as_it_was() -> None:
    old = {"rung": 1, "step": 1, "rank": 2, "of": 3, "kept": 1, "first": True, "audited": False}

    assert halved_text(old) == "stopped at step 1: 2nd of 3 there, only the best continues"
