"""Verbs that meet what workers do at the same moment."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from tests.integration.conftest import MakeService
from tests.support.databases.dump import Database, study_id_of
from tests.support.protocol_worker import Held, ProtocolWorker
from tests.support.study_lab import Lab


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


@pytest.mark.parametrize("first", ["finish", "cancel"])
def test_of_a_finish_and_a_cancel_at_once_one_is_the_outcome(
    lab: Lab, database: Database, first: str
) -> None:
    lab.submit(budget={"trials": 1})
    held = lab.claim()
    calls = {"finish": lambda: held.complete(0.5), "cancel": lambda: lab.do("trials/0/cancel")}
    order = [first, *(name for name in calls if name != first)]
    with ThreadPoolExecutor(2) as threads:
        with database.hold("tuner_attempts", id=held.attempt):
            waiting = {}
            for name in order:
                waiting[name] = threads.submit(calls[name])
                time.sleep(0.2)
        answer = waiting["finish"].result()
        waiting["cancel"].result()

    trial = lab.show(0)
    taken = answer.status_code == 200
    assert answer.status_code in (200, 409)
    assert (trial["state"], trial["cause"]) == (
        ("COMPLETE", None) if taken else ("FAIL", "cancelled")
    )
    if lab.service.database_url.startswith("postgresql"):
        assert taken == (first == "finish"), "who came first is first"
    assert len([e for e in trial["events"] if e["kind"].startswith("trial-")]) == 1
    assert lab.wait_closed()["budget"]["used"] == 1


def _close_circle(database: Database, held: Held, number: int, threads: ThreadPoolExecutor) -> None:
    """Complete a trial whose row is locked, and lock its attempt: one of both has to give way."""
    study_id = study_id_of(held.attempt)
    # PostgreSQL looks for circles after a second and ends the session that has waited longest. On a
    # busy machine that is sometimes the test's.
    with (
        contextlib.suppress(sa.exc.OperationalError),
        database.hold("tuner_trials", study_id=study_id, number=number) as connection,
    ):
        answer = threads.submit(held.complete, 0.5)
        while not database.is_waited_for():
            time.sleep(0.01)
        database.lock(connection, "tuner_attempts", id=held.attempt)
    result = answer.result()
    if result.status_code == 503:
        # On a busy machine the circle may outlast the server's patience: do as workers do.
        result = held.complete(0.5)
    assert result.status_code == 200, result.text


def test_a_deadlock_is_repeated_by_the_server_and_not_by_the_worker(
    make_service: MakeService,
) -> None:
    """The test locks a trial and then its attempt, the wrong way round."""
    with make_service("postgresql") as service:
        lab, database = Lab(service), Database(service.database_url)
        lab.submit(budget={"trials": 8})
        for number in range(8):
            held = lab.claim()
            with ThreadPoolExecutor(1) as threads:
                _close_circle(database, held, number, threads)
            assert lab.show(number)["state"] == "COMPLETE"
            if "transaction repeated" in service.log.read_text():
                break
        else:
            pytest.fail("PostgreSQL never ended the server's transaction")
        database.close()
        lab.close()
