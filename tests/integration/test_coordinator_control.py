"""Pause, resume, stop, cancel, retry: what they mean, that they may be repeated, and restarts."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.protocol_worker import ProtocolWorker
from tests.study_lab import Lab

COUNTS = {"waiting": 0, "running": 0, "complete": 0, "pruned": 0, "fail": 0}


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


def test_a_stopping_study_can_be_resumed(lab: Lab) -> None:
    lab.submit(budget={"trials": 2})
    running = lab.claim()
    lab.do("stop")
    assert lab.do("resume")["state"] == "running"
    running.complete(0.25)
    lab.claim().complete(0.5)

    assert lab.wait_closed()["reason"] == "budget.trials: 2 trials are done"


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


def test_retry_tries_failed_configurations_again_as_new_trials_at_the_front(lab: Lab) -> None:
    lab.submit(budget={"trials": 3}, parallel=1)
    worker = lab.worker()
    worker.claim().fail("error", "ValueError: 1")
    worker.claim().complete(0.5)
    for _ in range(2):
        worker.claim().fail("oom")
    assert lab.wait_closed()["counts"] == {**COUNTS, "complete": 1, "fail": 2}
    assert lab.do("retry", {"failed": True}) == {"retried": [0, 2]}
    again = lab.run(worker, lambda held: float(held.trial))

    assert [held.trial for held in again] == [3, 4]
    params = [trial["params"] for trial in lab.trials()]
    assert (params[3], params[4]) == (params[0], params[2])
    assert [lab.show(n)["proposal"]["retry_of"] for n in (3, 4)] == [0, 2]
    status = lab.status()
    assert status["counts"] == {**COUNTS, "complete": 3, "fail": 2}
    assert status["budget"]["used"] == 3, "the new trial counts instead of the failed one"


def test_retry_may_be_repeated(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    worker = lab.worker()
    worker.claim().fail("error")
    lab.wait_closed()

    assert lab.do("retry") == {"retried": [0]}
    assert lab.do("retry") == {"retried": []}
    again = worker.claim()
    assert again.params == lab.show(0)["params"]
    again.fail("error")
    lab.wait_closed()
    assert lab.do("retry") == {"retried": [1]}, "the new failure is another one"


def test_nothing_that_the_user_cancelled_is_retried(lab: Lab) -> None:
    lab.submit(budget={"trials": 2})
    running = lab.claim()
    lab.do(f"trials/{running.trial}/cancel")

    assert lab.do("retry") == {"retried": []}


def test_retried_trials_do_not_displace_the_configurations_to_start_with(lab: Lab) -> None:
    start = [{"x": value} for value in (0.125, 0.25, 0.375)]
    lab.submit(start_with=start, budget={"trials": 4}, parallel=1)
    worker = lab.worker()
    worker.claim().fail("error")
    lab.do("retry")
    rest = lab.run(worker, lambda _: 0.5)

    tried = [trial["params"]["x"] for trial in lab.trials()]
    assert tried[0] == 0.125
    assert sorted(tried[1:4]) == [0.125, 0.25, 0.375]
    assert len(rest) == 4


def test_pause_and_retry_survive_a_restart(own_lab: Lab) -> None:
    own_lab.submit(budget={"trials": 3}, parallel=1)
    worker = own_lab.worker()
    worker.claim().fail("error")
    worker.claim().complete(0.5)
    own_lab.do("pause")
    own_lab.do("retry")
    own_lab.service.kill_and_start()

    assert own_lab.status()["state"] == "running", "retry goes on with a paused study"
    again = own_lab.run(worker, lambda _: 0.75)
    assert again[-1].trial == 3
    assert own_lab.status()["budget"]["used"] == 3
    assert [t.number for t in own_lab.optuna_trials()] == [0, 1, 2, 3]


def test_stop_and_cancel_survive_a_restart(own_lab: Lab) -> None:
    stopped, cancelled = own_lab, Lab(own_lab.service)
    holds = []
    for lab in (stopped, cancelled):
        lab.submit(budget={"trials": 10})
        holds.append(lab.claim())
    stopped.do("stop")
    cancelled.do("cancel")
    own_lab.service.kill_and_start()

    assert stopped.status()["state"] == "stopping"
    assert holds[0].beat().json()["order"] == "continue"
    assert holds[0].complete(0.5).json()["is_outcome"] is True
    assert holds[1].beat().json()["order"] == "cancel"
    assert holds[1].complete(0.5).status_code == 409
    assert stopped.wait_closed()["state"] == "finished"
    assert cancelled.wait_closed()["state"] == "cancelled"
    cancelled.close()


def test_a_busy_study_can_be_steered_without_a_fault(lab: Lab) -> None:
    """On PostgreSQL, locks that are taken in different orders would meet."""
    lab.submit(budget={"trials": 200}, trial={"retries": 0})
    stop = threading.Event()
    faults: list[str] = []

    def work(worker: ProtocolWorker) -> None:
        while not stop.is_set():
            held = worker.try_claim(wait_s=0.05)
            if held is None:
                continue
            answers = [held.beat(), held.report(1, 0.5)]
            fails = held.trial % 3 == 0
            answers.append(held.fail("oom") if fails else held.complete(0.5))
            faults.extend(answer.text for answer in answers if answer.status_code >= 500)

    with ThreadPoolExecutor(3) as threads:
        working = [threads.submit(work, lab.worker()) for _ in range(3)]
        for _ in range(25):
            newest = max(0, len(lab.trials()) - 1)
            for verb in ("pause", "resume", "retry", f"trials/{newest}/cancel"):
                answer = lab.service.call("POST", f"/studies/{lab.study}/{verb}")
                assert answer.status_code in (200, 404), answer.text
        stop.set()

    assert [one.result() for one in working] == [None] * 3
    assert faults == []
    lab.do("stop", {"now": True})
    lab.wait_closed()
    ours = [(trial["trial"], trial["state"]) for trial in lab.trials()]
    assert [(trial.number, trial.state.name) for trial in lab.optuna_trials()] == ours


def test_a_deleted_study_leaves_its_workers_nothing_to_report_to(lab: Lab) -> None:
    lab.submit()
    running = lab.claim()
    answer = lab.service.call("DELETE", f"/studies/{lab.study}")

    assert answer.json()["deleted"] is True
    assert [running.beat().status_code, running.complete(0.5).status_code] == [404, 404]
    assert lab.service.call("GET", f"/studies/{lab.study}").status_code == 404
    lab.submit()
    assert lab.claim().trial == 0, "the name is free again"


def test_a_study_made_after_a_deleted_one_has_nothing_of_it(lab: Lab) -> None:
    lab.submit(objective="objectives:first", start_with=[{"x": 0.125}])
    held = lab.claim()
    newest = lab.service.get(f"/studies/{lab.study}/events")[-1]["id"]
    lab.service.call("DELETE", f"/studies/{lab.study}")
    lab.submit(objective="objectives:second", start_with=[{"x": 0.875}])
    fresh = lab.claim()

    assert fresh.assignment["objective"] == "objectives:second"
    assert fresh.params == {"x": 0.875}
    assert fresh.attempt != held.attempt
    assert lab.show(0)["params"] == {"x": 0.875}
    # Who follows the events asks for those after the newest one that is known.
    assert lab.service.get(f"/studies/{lab.study}/events")[0]["id"] > newest


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
