"""What each cause of failure means: run again, told to the sampler, counted in the budget."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.trial import TrialState

from tests.support.patience import clock
from tests.support.study_lab import Lab

#: Causes whose trial ends with the first attempt.
FINAL = ["timeout", "diverged", "error", "cancelled"]


def end_study(lab: Lab) -> dict[str, Any]:
    """Run what the budget still allows; return the status of the finished study."""
    lab.run(lab.worker("filler"), lambda _: 0.5)
    return lab.status()


@pytest.mark.parametrize("cause", FINAL)
def test_these_causes_end_the_trial_and_count(lab: Lab, cause: str) -> None:
    lab.submit(budget={"trials": 2})
    answer = lab.claim().fail(cause, f"because of {cause}")
    status = end_study(lab)

    assert answer.json()["is_outcome"] is True
    assert answer.json()["record"]["cause"] == cause
    trial = lab.show(0)
    assert (trial["state"], trial["cause"], trial["attempts"]) == ("FAIL", cause, 1)
    assert trial["error"] == f"because of {cause}"
    assert (status["counts"]["fail"], status["counts"]["complete"]) == (1, 1)
    assert status["budget"]["used"] == 2
    told = [(t.state, t.values) for t in lab.optuna_trials()]
    assert told == [(TrialState.FAIL, None), (TrialState.COMPLETE, [0.5])]


def test_out_of_memory_is_tried_once_more_elsewhere(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    small, large = lab.worker("small"), lab.worker("large")
    large.beat()
    first = small.claim()
    assert first.fail("oom", "device").json()["is_outcome"] is False
    assert small.finds_nothing(), "another worker is there to try it"
    second = large.claim()
    assert second.fail("oom", "device again").json()["is_outcome"] is True
    status = lab.wait_closed()

    assert lab.attempts(0) == [("failed", "oom"), ("failed", "oom")]
    assert (lab.show(0)["cause"], lab.show(0)["error"]) == ("oom", "device again")
    assert status["budget"]["used"] == 1


def test_the_worker_that_failed_tries_again_when_it_is_the_only_one(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    only = lab.worker("only")
    first = only.claim()
    first.fail("oom")
    second = only.claim()

    assert second.attempt == first.attempt.replace("-a1", "-a2")
    assert second.complete(0.5).json()["is_outcome"] is True


def test_workers_of_another_image_are_no_reason_to_wait(lab: Lab) -> None:
    other, only = lab.worker("of-another-image"), lab.worker("only")
    other.image = lab.image[:-4] + "0000"
    lab.submit(budget={"trials": 1})
    only.claim().fail("oom")
    second = None
    end = clock() + 30
    while second is None and clock() < end:
        assert other.beat().status_code == 200
        second = only.try_claim(wait_s=0.1)

    assert second is not None
    assert second.assignment["attempt_no"] == 2


def test_a_worker_that_failed_gets_another_trial_while_the_others_are_busy(lab: Lab) -> None:
    lab.submit(budget={"trials": 3})
    busy, small = lab.worker("busy"), lab.worker("small")
    long = busy.claim()
    first = small.claim()
    first.fail("oom")
    lab.wait(lambda: long.beat() and small.beat() and lab.trials()[2:], "one more is proposed")
    second = small.claim()

    assert second.trial == 2, "it is not made to wait for hours until the other one is free"


@pytest.mark.parametrize("cause", ["preempted", "storage"])
def test_these_causes_are_run_again_for_nothing(lab: Lab, cause: str) -> None:
    lab.submit(budget={"trials": 1}, trial={"retries": 0})
    held = lab.claim("first")
    held.report(1, 0.25)
    answer = held.fail(cause)

    assert answer.json()["is_outcome"] is False
    trial = lab.show(0)
    assert (trial["state"], trial["cause"]) == ("WAITING", None)
    assert lab.attempts(0) == [("failed", cause), ("ready", None)]
    assert lab.status()["budget"]["used"] == 0
    assert [event["trial"] for event in lab.events(f"attempt-{cause}")] == [0]


def test_a_preempted_trial_goes_on_where_it_stood_as_often_as_it_takes(lab: Lab) -> None:
    lab.submit(budget={"trials": 1}, trial={"retries": 0})
    worker = lab.worker()
    for step in range(1, 5):
        held = worker.claim()
        assert [point["step"] for point in held.assignment["curve"]] == list(range(1, step))
        held.report(step, step / 10)
        held.fail("preempted")
    worker.claim().complete(0.5)

    assert lab.wait_closed()["budget"]["used"] == 1
    assert lab.show(0)["attempts"] == 5


def test_a_trial_that_met_a_full_disk_waits_a_while(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    worker = lab.worker()
    worker.claim().fail("storage")

    assert worker.finds_nothing(0.5)
    assert lab.show(0)["state"] == "WAITING"


def test_a_rejected_trial_is_retried_within_the_limit_and_is_not_counted(lab: Lab) -> None:
    lab.submit(budget={"trials": 1}, trial={"retries": 1})
    worker = lab.worker()
    assert worker.claim().fail("rejected").json()["is_outcome"] is False
    assert worker.claim().fail("rejected").json()["is_outcome"] is True

    assert (lab.show(0)["state"], lab.show(0)["cause"]) == ("FAIL", "rejected")
    assert lab.status()["budget"]["used"] == 0
    assert end_study(lab)["counts"]["complete"] == 1


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_a_non_finite_objective_is_a_failure_and_never_the_best(
    lab: Lab, goal: str, value: str
) -> None:
    lab.submit(metric={"name": "score", "goal": goal}, budget={"trials": 2})
    answer = lab.claim().complete(value).json()
    assert lab.status()["best"] is None
    status = end_study(lab)

    assert (answer["is_outcome"], answer["record"]["outcome"]) == (True, "FAIL")
    assert (answer["record"]["cause"], answer["record"]["objective"]) == ("diverged", None)
    assert status["best"] == {"trial": 1, "objective": 0.5, "pareto": None}
    assert [row["trial"] for row in lab.service.get(f"/studies/{lab.study}/best")] == [1]
    assert [trial.state for trial in lab.optuna_trials()] == [TrialState.FAIL, TrialState.COMPLETE]


def test_one_bad_metric_of_several_is_a_failure_too(lab: Lab) -> None:
    metrics = [{"name": "score", "goal": "maximize"}, {"name": "size", "goal": "minimize"}]
    lab.submit(metric=metrics, budget={"trials": 2})
    bad = lab.claim().complete(0.5, "nan").json()["record"]
    lab.claim().complete(0.25, 8.0)
    status = lab.wait_closed()

    assert (bad["outcome"], bad["cause"], bad["values"]) == ("FAIL", "diverged", [])
    assert status["best"] == {"trial": 1, "objective": None, "pareto": 1}
    assert [trial.values for trial in lab.optuna_trials()] == [None, [0.25, 8.0]]


def test_three_first_trials_that_fail_alike_pause_the_study_and_say_why(lab: Lab) -> None:
    lab.submit(budget={"trials": 10}, parallel=1)
    worker = lab.worker()
    trace = "Traceback (most recent call last):\n  File {}\nKeyError: 'units'"
    for number in range(3):
        assert worker.claim().fail("error", trace.format(number)).status_code == 200
    lab.wait(lambda: lab.status()["state"] == "paused", "the study pauses")

    assert lab.status()["reason"] == "the first 3 trials failed alike (error): KeyError: 'units'"
    assert worker.finds_nothing()
    assert len(lab.trials()) == 3
    lab.do("resume")
    lab.wait(lambda: worker.beat() and lab.trials()[3:], "the user means it")
    worker.claim().fail("error", trace.format(3))
    worker.claim().complete(0.5)
    assert lab.status()["state"] == "running", "only the first three count"


@pytest.mark.parametrize("good", [0, 1, 2])
def test_a_study_with_one_good_trial_among_the_first_three_goes_on(lab: Lab, good: int) -> None:
    lab.submit(budget={"trials": 5}, parallel=1)
    worker = lab.worker()
    for number in range(5):
        held = worker.claim()
        held.complete(0.5) if number == good else held.fail("error", "KeyError: 'units'")

    assert lab.wait_closed()["counts"]["fail"] == 4


def test_three_different_errors_do_not_pause_the_study(lab: Lab) -> None:
    lab.submit(budget={"trials": 4}, parallel=1)
    worker = lab.worker()
    for number in range(4):
        worker.claim().fail("error", f"KeyError: {number}")

    assert lab.wait_closed()["reason"] == "budget.trials: 4 trials are done"


def test_the_pause_after_three_failures_survives_a_restart(own_lab: Lab) -> None:
    own_lab.submit(budget={"trials": 10}, parallel=1)
    worker = own_lab.worker()
    for _ in range(2):
        worker.claim().fail("error", "KeyError: 'units'")
    own_lab.wait(lambda: worker.beat() and own_lab.trials()[2:], "the third is proposed")
    own_lab.service.kill_and_start()
    worker.claim().fail("error", "KeyError: 'units'")
    own_lab.wait(lambda: own_lab.status()["state"] == "paused", "the study pauses")
    own_lab.service.kill_and_start()

    assert "KeyError: 'units'" in own_lab.status()["reason"]
    assert worker.finds_nothing()


def test_ten_failures_alike_pause_the_study_once_and_mended_code_forgets_them(lab: Lab) -> None:
    lab.submit(budget={"trials": 40}, parallel=1)
    worker = lab.worker()
    worker.claim().complete(0.5)
    for number in range(10):
        worker.claim().fail("error", f"Traceback\nValueError: subtracting {number} from 3")
    lab.wait(lambda: lab.status()["state"] == "paused", "the study pauses")

    reason = lab.status()["reason"]
    assert reason.startswith("10 trials in a row failed alike, trial 10 the last (error): Value")
    assert f"tuner resume {lab.study}" in reason
    assert worker.finds_nothing()
    lab.do("resume")
    held = worker.claim()
    assert lab.show(11)["proposal"]["forgotten"] == [], "a region is not forgotten by resuming"
    held.fail("error", "Traceback\nValueError: subtracting 11 from 3")
    assert lab.do("retry", {"failed": True})["retried"] == list(range(1, 12))
    worker.claim().complete(0.25)
    worker.claim()
    assert lab.status()["state"] == "running", "each reason pauses once"
    assert lab.show(13)["proposal"]["retry_of"] is not None
