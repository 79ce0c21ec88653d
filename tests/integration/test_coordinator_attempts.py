"""Leases: a worker that says nothing loses its attempt, and a trial has exactly one outcome."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import httpx
import pytest

from tests.support.protocol_worker import Held, here
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import Lab

MakeService = Callable[..., AbstractContextManager[ServiceProcess]]
Loss = tuple[Lab, Held]
#: Longer than a busy machine holds up a thread of these tests, which beat by hand.
LEASE_S = 2.4


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, make_service: MakeService) -> Iterator[ServiceProcess]:
    """A server whose leases end while a test can wait."""
    with make_service(request.param, lease_s=LEASE_S) as service:
        yield service


@pytest.fixture(scope="module")
def losses(service: ServiceProcess) -> Iterator[list[Loss]]:
    """Studies of one trial whose first attempt is lost; their leases run out together."""
    labs = [Lab(service) for _ in range(7)]
    for lab in labs:
        lab.submit(budget={"trials": 1})
    pairs = [(lab, lab.claim("lost")) for lab in labs]
    for lab, held in pairs:
        lab.wait_lost(held)
    yield pairs
    for lab in labs:
        lab.close()


@pytest.fixture
def loss(losses: list[Loss]) -> Loss:
    """A study, and its first attempt, whose lease is over; the trial is ready to be run again."""
    return losses.pop()


def test_a_worker_that_says_nothing_loses_its_trial_to_another_one(loss: Loss) -> None:
    lab, lost = loss
    successor = lab.claim("successor")
    answer = successor.complete(0.5)

    assert successor.trial == lost.trial
    assert successor.assignment["attempt_no"] == 2
    assert successor.params == lost.params
    assert successor.assignment["seed"] == lost.assignment["seed"], "a retry repeats the training"
    assert successor.assignment["run_dir"] == f"{answer.json()['record']['run_dir']}"
    assert successor.assignment["run_dir"].endswith("-a2")
    assert answer.json()["is_outcome"] is True
    assert lab.wait_closed()["counts"]["complete"] == 1
    assert lab.attempts(0) == [("lost", "lost"), ("done", None)]
    assert lab.show(0)["objective"] == 0.5
    assert [event["trial"] for event in lab.events("attempt-lost")] == [0]


def test_beats_and_reports_both_keep_an_attempt(lab: Lab) -> None:
    lab.submit(budget={"trials": 2}, parallel=2)
    beating, reporting = lab.claim("beating"), lab.claim("reporting")
    end = time.monotonic() + 1.6 * LEASE_S
    step = 0
    while time.monotonic() < end:
        step += 1
        assert beating.beat().json()["order"] == "continue"
        assert reporting.report(step, 0.1).json()["order"] == "continue"
        time.sleep(LEASE_S / 6)

    assert [beating.complete(1.0).status_code, reporting.complete(2.0).status_code] == [200, 200]
    # Neither was lost and taken back meanwhile.
    assert [lab.attempts(number) for number in (0, 1)] == [[("done", None)]] * 2
    assert lab.events("attempt-lost") == []


def test_a_beat_takes_the_attempt_back_while_nobody_has_begun_its_successor(loss: Loss) -> None:
    lab, lost = loss
    assert lab.attempts(0) == [("lost", "lost"), ("ready", None)]
    assert lost.beat().json()["order"] == "continue"

    assert lab.attempts(0) == [("leased", None), ("revoked", None)]
    assert lab.show(0)["state"] == "RUNNING"
    assert lab.worker("second").finds_nothing()
    assert lost.complete(0.5).json()["is_outcome"] is True
    assert lab.wait_closed()["counts"]["complete"] == 1


def test_an_attempt_may_be_lost_and_taken_back_again(loss: Loss) -> None:
    lab, lost = loss
    assert lost.report(1, 0.25).json()["order"] == "continue"
    lab.wait_lost(lost)
    assert lab.attempts(0) == [("lost", "lost"), ("revoked", None), ("ready", None)]
    assert lost.beat().json()["order"] == "continue"

    assert lab.attempts(0) == [("leased", None), ("revoked", None), ("revoked", None)]
    assert lost.complete(0.5).json()["is_outcome"] is True


def test_a_late_result_counts_and_calls_the_successor_off(loss: Loss) -> None:
    lab, lost = loss
    successor = lab.claim("successor")
    late = lost.complete(0.25)

    assert late.json()["is_outcome"] is True
    assert successor.beat().json()["order"] == "cancel"
    assert successor.report(1, 0.5).json()["order"] == "cancel"
    assert successor.complete(0.75).status_code == 409
    assert lab.show(0)["objective"] == 0.25
    assert lab.attempts(0) == [("done", None), ("cancelled", None)]
    assert lab.wait_closed()["best"] == {"trial": 0, "objective": 0.25, "pareto": None}


def test_a_beat_of_a_lost_attempt_does_not_disturb_its_successor(loss: Loss) -> None:
    lab, lost = loss
    successor = lab.claim("successor")

    assert lost.beat().json()["order"] == "continue", "it may still win the race"
    assert lab.attempts(0) == [("lost", "lost"), ("leased", None)]
    assert successor.beat().json()["order"] == "continue"


def test_once_there_is_an_outcome_the_lost_attempt_is_refused(loss: Loss) -> None:
    lab, lost = loss
    assert lab.claim("successor").complete(0.5).status_code == 200

    assert lost.complete(0.75).status_code == 409
    assert lost.beat().status_code == 409, "a worker must not train on for nothing"
    assert lost.report(1, 0.75).status_code == 409
    assert lab.show(0)["objective"] == 0.5
    assert lab.show(0)["reports"] == []


def test_of_two_results_at_once_exactly_one_is_the_outcome(loss: Loss) -> None:
    lab, lost = loss
    successor = lab.claim("successor")
    answers: dict[float, httpx.Response] = {}
    start = threading.Barrier(2)

    def finish(held: Held, value: float) -> None:
        start.wait()
        while (answer := held.complete(value)).status_code == 503:
            """A database that is busy asks to be tried again."""
        answers[value] = answer

    threads = [
        threading.Thread(target=finish, args=(held, value))
        for held, value in ((lost, 0.25), (successor, 0.75))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answer.status_code for answer in answers.values()) == [200, 409]
    won = next(value for value, answer in answers.items() if answer.status_code == 200)
    assert lab.show(0)["objective"] == won
    assert lab.wait_closed()["counts"]["complete"] == 1
    assert [trial.values for trial in lab.optuna_trials()] == [[won]]


def test_a_trial_that_is_lost_too_often_fails_and_is_not_counted(lab: Lab) -> None:
    lab.submit(budget={"trials": 1}, trial={"retries": 1})
    first = lab.claim("first")
    lab.wait_lost(first)
    second = lab.claim("second")
    lab.wait_lost(second)
    lab.wait(lambda: lab.show(0)["state"] == "FAIL", "the trial fails")

    assert (lab.show(0)["cause"], lab.status()["budget"]["used"]) == ("lost", 0)
    assert "gave no sign of life" in lab.show(0)["error"]
    assert [held.complete(1.0).status_code for held in (first, second)] == [409, 409]
    other = lab.claim("third")
    assert other.trial == 1, "another configuration takes its place in the budget"
    assert other.complete(0.5).status_code == 200
    assert lab.wait_closed()["counts"] == {
        "waiting": 0,
        "running": 0,
        "complete": 1,
        "pruned": 0,
        "fail": 1,
    }


def test_a_successor_gets_the_curve_of_its_predecessor(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    first = lab.claim("first")
    first.report_points([{"step": 1, "value": 0.1, "metrics": {"loss": 2.0}}])
    first.report(2, "nan")
    lab.wait_lost(first)
    second = lab.claim("second")

    assert second.assignment["curve"] == [
        {"step": 1, "value": 0.1, "metrics": {"loss": 2.0}},
        {"step": 2, "value": "nan", "metrics": {}},
    ]
    assert second.report(3, 0.3).status_code == 200
    assert second.complete(0.3).status_code == 200
    lab.wait_closed()
    (trial,) = lab.optuna_trials()
    assert {s: repr(v) for s, v in trial.intermediate_values.items()} == {
        1: "0.1",
        2: "nan",
        3: "0.3",
    }


def test_a_trial_lost_during_a_pause_runs_again_after_it(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    held = lab.claim("first")
    lab.do("pause")
    lab.wait_lost(held)
    second = lab.worker("second")

    assert second.finds_nothing()
    lab.do("resume")
    assert second.claim().assignment["attempt_no"] == 2


def test_a_stopping_study_whose_worker_dies_still_ends(lab: Lab) -> None:
    lab.submit(budget={"trials": 10})
    lab.claim()
    lab.do("stop")
    status = lab.wait_closed()

    assert (lab.show(0)["state"], lab.show(0)["cause"]) == ("FAIL", "lost")
    assert status["budget"]["used"] == 0


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_outage_of_the_server_costs_no_worker_its_attempt(
    make_service: MakeService, kind: str
) -> None:
    with make_service(kind, lease_s=LEASE_S) as service:
        lab = Lab(service)
        lab.submit(budget={"trials": 1})
        held = lab.claim()
        service.kill()
        time.sleep(1.2 * LEASE_S)  # the lease ends while the server is away
        service.start()

        assert lab.attempts(0) == [("leased", None)]
        assert held.beat().json()["order"] == "continue"
        assert held.complete(0.5).json()["is_outcome"] is True


def test_a_start_gives_up_the_attempts_of_dead_workers_of_its_host_at_once(
    make_service: MakeService,
) -> None:
    """Only on SQLite: there the start holds the lock of the home, so no worker can be starting."""
    with make_service("sqlite") as service:
        lab = Lab(service)
        lab.submit(budget={"trials": 2}, parallel=2)
        gone = lab.worker("gone", host=here()["host"], pid=dead_pid()).claim()
        alive = lab.worker("alive", **here()).claim()
        service.kill_and_start()
        lab.wait(lambda: lab.events("attempt-lost"), "given up long before the lease ends", 10)

        assert [event["trial"] for event in lab.events("attempt-lost")] == [gone.trial]
        assert alive.complete(0.5).json()["is_outcome"] is True


def test_after_a_crash_the_next_start_on_sqlite_need_not_wait_for_the_dead_leader(
    make_service: MakeService,
) -> None:
    with make_service("sqlite") as service:
        lab = Lab(service)
        lab.submit()
        lab.claim().complete(0.5)
        service.kill_and_start()

        # A leader's lease is 10 s, and this one was renewed within the last third of that.
        assert lab.worker().claim(timeout_s=5).trial == 1


def dead_pid() -> int:
    """Return the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid
