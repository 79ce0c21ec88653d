"""Pause, resume, stop, cancel, retry: what they mean, that they may be repeated, and restarts."""

from __future__ import annotations

import pytest

from tests.integration.conftest import MakeService
from tests.support.study_lab import COUNTS, Lab


def test_a_paused_study_starts_nothing_and_lets_running_trials_finish(lab: Lab) -> None:
    lab.submit()
    worker = lab.worker()
    running = worker.claim()
    assert lab.do("pause")["state"] == "paused"

    assert running.beat().json()["order"] == "continue"
    assert running.complete(0.5).json()["is_outcome"] is True
    assert worker.finds_nothing()
    assert lab.status()["state"] == "paused"
    assert lab.do("resume")["state"] == "running"
    assert worker.claim().trial == 1


def test_a_trial_that_was_ready_when_the_study_was_paused_waits(lab: Lab) -> None:
    lab.submit()
    worker = lab.worker()
    lab.wait(lambda: worker.beat() and lab.trials(), "a trial is proposed")
    lab.do("pause")

    assert worker.finds_nothing()
    assert lab.trials()[0]["state"] == "WAITING"
    lab.do("resume")
    assert worker.claim().trial == 0


def test_a_stopped_study_starts_nothing_and_ends_with_its_last_running_trial(lab: Lab) -> None:
    lab.submit(budget={"trials": 10})
    first, second = lab.worker(), lab.worker()
    running = first.claim()
    lab.wait(lambda: second.beat() and lab.trials()[1:], "another trial is ready")
    assert lab.do("stop")["state"] == "stopping"

    assert second.finds_nothing()
    assert running.beat().json()["order"] == "continue"
    assert running.complete(0.5).json()["is_outcome"] is True
    status = lab.wait_closed()
    assert (status["state"], status["reason"]) == ("finished", "stopped by the user")
    assert status["counts"] == {**COUNTS, "complete": 1, "fail": 1}
    assert status["budget"]["used"] == 1, "what never ran is not counted"
    assert lab.show(1)["cause"] == "cancelled"


def test_a_study_stopped_now_cancels_what_runs(lab: Lab) -> None:
    lab.submit(budget={"trials": 10})
    running = lab.claim()
    running.report(1, 0.5)
    lab.do("stop", {"now": True})

    assert running.beat().json()["order"] == "cancel"
    assert running.report(2, 0.5).json()["order"] == "cancel"
    assert running.complete(0.5).status_code == 409
    status = lab.wait_closed()
    assert (status["state"], status["reason"]) == ("finished", "stopped by the user")
    assert (lab.show(0)["state"], lab.show(0)["cause"]) == ("FAIL", "cancelled")


@pytest.mark.parametrize("now", [False, True])
def test_a_stop_ends_trials_whose_attempt_was_lost(make_service: MakeService, now: bool) -> None:
    with make_service("sqlite", lease_s=0.6) as service:
        lab = Lab(service)
        lab.submit(budget={"trials": 5}, parallel=1)
        lost = lab.claim()
        lab.wait_lost(lost)
        lab.do("stop", {"now": now})

        assert lost.complete(0.5).status_code == 409
        status = lab.wait_closed()
        assert (status["reason"], status["budget"]["used"]) == ("stopped by the user", 0)
        assert lab.show(0)["cause"] == "cancelled"
        assert lab.attempts(0) == [("lost", "lost"), ("revoked", None)]
        lab.close()


def test_a_stopping_study_can_be_resumed(lab: Lab) -> None:
    lab.submit(budget={"trials": 2})
    running = lab.claim()
    lab.do("stop")
    assert lab.do("resume")["state"] == "running"
    running.complete(0.25)
    lab.claim().complete(0.5)

    assert lab.wait_closed()["reason"] == "budget.trials: 2 trials are done"


def test_a_study_that_stops_can_be_neither_paused_nor_taken_from_its_limit(lab: Lab) -> None:
    lab.submit(budget={"trials": 50}, parallel=2)
    first, second = lab.claim(), lab.claim()
    lab.do("stop")
    pause = lab.service.call("POST", f"/studies/{lab.study}/pause")
    assert pause.status_code == 409
    assert "is stopping (stopped by the user)" in pause.json()["detail"]
    lab.do("resume")
    first.complete(0.5)
    lab.service.call("PATCH", f"/studies/{lab.study}", {"changes": {"budget.trials": 1}})
    lab.wait(lambda: lab.status()["state"] == "stopping", "its budget is used")
    resume = lab.service.call("POST", f"/studies/{lab.study}/resume")

    assert resume.status_code == 409
    assert f"tuner edit {lab.study} budget.trials=N" in resume.json()["detail"]
    second.complete(0.5)
    assert lab.wait_closed()["reason"] == "budget.trials: 1 trials are done"


def test_a_paused_study_whose_budget_is_used_ends_when_it_is_resumed(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    running = lab.claim()
    lab.do("pause")
    running.complete(0.5)
    lab.wait(lambda: lab.status()["budget"]["used"] == 1, "the trial has ended")
    assert lab.status()["state"] == "paused"
    lab.do("resume")

    assert lab.wait_closed()["reason"] == "budget.trials: 1 trials are done"
    assert len(lab.trials()) == 1


def test_a_cancelled_study_cannot_be_brought_back(lab: Lab) -> None:
    lab.submit(budget={"trials": 5})
    lab.claim()
    lab.do("cancel")
    answers = [lab.service.call("POST", f"/studies/{lab.study}/{v}") for v in ("resume", "pause")]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert lab.wait_closed()["state"] == "cancelled"


def test_a_cancelled_study_calls_everything_off(lab: Lab) -> None:
    lab.submit(budget={"trials": 2})
    done, running = lab.claim(), lab.claim()
    done.complete(0.5)
    lab.do("cancel")

    assert running.beat().json()["order"] == "cancel"
    assert running.complete(0.75).status_code == 409
    status = lab.wait_closed()
    assert (status["state"], status["reason"]) == ("cancelled", "cancelled by the user")
    assert status["counts"] == {**COUNTS, "complete": 1, "fail": 1}
    assert status["best"] == {"trial": 0, "objective": 0.5, "pareto": None}
    assert lab.worker().finds_nothing()


def test_one_trial_can_be_cancelled_and_the_study_goes_on(lab: Lab) -> None:
    lab.submit(budget={"trials": 3})
    worker = lab.worker()
    running = worker.claim()
    lab.do(f"trials/{running.trial}/cancel")

    assert running.beat().json()["order"] == "cancel"
    assert running.complete(0.5).status_code == 409
    assert (lab.show(0)["state"], lab.show(0)["cause"]) == ("FAIL", "cancelled")
    lab.run(worker, lambda _: 0.5)
    assert lab.status()["counts"] == {**COUNTS, "complete": 2, "fail": 1}
    assert lab.status()["budget"]["used"] == 3, "it took a part of the budget"


def test_a_waiting_trial_can_be_cancelled_too(lab: Lab) -> None:
    lab.submit(budget={"trials": 2})
    worker = lab.worker()
    lab.wait(lambda: worker.beat() and lab.trials(), "a trial is proposed")
    lab.do("trials/0/cancel")

    assert lab.attempts(0) == [("revoked", None)]
    assert worker.claim().trial == 1


def test_cancelling_what_has_ended_changes_nothing(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    lab.claim().complete(0.5)
    before = lab.wait_closed()
    trial = lab.show(0)

    assert lab.do("trials/0/cancel") == before
    assert lab.do("cancel") == before
    assert lab.do("stop", {"now": True}) == before
    assert lab.show(0) == trial


@pytest.mark.parametrize("verb", ["pause", "resume", "stop", "cancel"])
def test_every_verb_may_be_repeated_and_is_logged_once(lab: Lab, verb: str) -> None:
    lab.submit()
    lab.claim()  # keeps a stopping study open
    if verb == "resume":
        lab.do("pause")
    first = lab.do(verb)
    again = lab.do(verb)

    state = {"pause": "paused", "resume": "running"}.get(verb, "stopping")
    # What is cancelled has nothing to wait for.
    states = {state, "cancelled"} if verb == "cancel" else {state}
    assert {first["state"], again["state"]} <= states
    assert again["reason"] == first["reason"]
    assert len(lab.events(f"study-{state}")) == 1


def test_what_has_ended_can_be_neither_paused_nor_resumed(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    lab.claim().complete(0.5)
    lab.wait_closed()
    for verb in ("pause", "resume"):
        answer = lab.service.call("POST", f"/studies/{lab.study}/{verb}")
        assert answer.status_code == 409
        assert answer.json()["detail"].startswith(f"{lab.study} is finished (budget.trials")


def test_a_drained_worker_gets_nothing_more(lab: Lab) -> None:
    lab.submit()
    worker = lab.worker("drained")
    running = worker.claim()
    lab.service.post(f"/workers/{worker.name}/drain")

    reply = running.beat().json()
    assert (reply["order"], reply["drain"]) == ("continue", True)
    assert running.complete(0.5).json()["is_outcome"] is True
    assert worker.finds_nothing()
    assert worker.beat().json()["drain"] is True
    assert lab.worker("other").claim().trial in (1, 2)
