"""Attempts that are leased to a worker which does not execute them are given to others at once."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

import pytest

from tests.support.patience import clock
from tests.support.protocol_worker import Held, ProtocolWorker
from tests.support.service_process import TOKEN, ServiceProcess
from tests.support.study_lab import Lab

MakeService = Callable[..., AbstractContextManager[ServiceProcess]]
LEASE_S = 3.0
BEAT_S = LEASE_S / 3


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def quick(request: pytest.FixtureRequest, make_service: MakeService) -> Iterator[ServiceProcess]:
    """A server whose workers beat so often that a test can wait for two beats."""
    with make_service(request.param, lease_s=LEASE_S) as service:
        yield service


@pytest.fixture
def quick_lab(quick: ServiceProcess) -> Iterator[Lab]:
    lab = Lab(quick)
    yield lab
    lab.close()


def respawn(lab: Lab, held: Held, **facts: str) -> ProtocolWorker:
    """Return the process that a supervisor starts when the worker of an attempt has died."""
    old = held.worker
    worker = ProtocolWorker(
        lab.service, name=old.name, image=lab.image, pid=old.pid + 1, host=facts.get("host", "h2")
    )
    lab.workers.append(worker)
    return worker


# On the server that many tests share a lease is 20 s: it is not what ends these attempts.


def test_a_claim_whose_answer_was_lost_for_good_costs_nothing(lab: Lab) -> None:
    lab.submit(budget={"trials": 1}, trial={"retries": 0})
    never_told = lab.claim()
    worker = never_told.worker
    again = worker.try_claim(wait_s=0.3)

    assert again is not None
    assert again.trial == never_told.trial
    assert lab.attempts(0) == [("revoked", None), ("leased", None)]
    assert [event["trial"] for event in lab.events("attempt-revoked")] == [0]
    assert never_told.beat().status_code == 409
    assert again.complete(0.5).json()["is_outcome"] is True
    assert lab.show(0)["attempts"] == 1, "the other one was never executed"
    assert lab.wait_closed()["budget"]["used"] == 1


def test_a_trial_is_not_given_back_for_nothing_for_ever(lab: Lab) -> None:
    lab.submit(budget={"trials": 1}, trial={"retries": 0})
    worker = lab.worker()
    while not lab.trials() or lab.show(0)["state"] != "FAIL":
        worker.claim()

    assert lab.attempts(0) == [*[("revoked", None)] * 5, ("lost", "lost")]


def test_the_revoked_claim_repeated_late_gives_nothing(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    never_told = lab.claim()
    again = never_told.worker.claim()

    assert never_told.worker.try_claim(never_told.token) is None
    assert again.complete(0.5).json()["is_outcome"] is True


@pytest.mark.parametrize("word", ["claim", "beat"])
def test_a_respawned_worker_gives_the_trial_of_the_dead_one_back_at_once(
    lab: Lab, word: str
) -> None:
    lab.submit(budget={"trials": 1}, trial={"retries": 1})
    held = lab.claim()
    assert held.report(1, 0.25).status_code == 200
    other = lab.worker("other")
    other.beat()
    successor = respawn(lab, held)
    assert successor.try_claim() is None if word == "claim" else successor.beat().is_success

    assert lab.attempts(0) == [("lost", "lost"), ("ready", None)]
    assert "continued without it" in lab.show(0)["attempt_list"][0]["error"]
    assert other.claim().complete(0.5).json()["is_outcome"] is True


def test_what_the_dead_worker_may_have_begun_uses_up_a_retry(lab: Lab) -> None:
    """Nothing was heard of the attempt, but the trial may be what kills each process at once."""
    lab.submit(budget={"trials": 1}, trial={"retries": 1})
    first = lab.claim()
    second = respawn(lab, first).claim()
    third = respawn(lab, second).claim()

    assert lab.attempts(0) == [("lost", "lost"), ("lost", "lost")]
    assert (third.trial, lab.show(0)["cause"]) == (1, "lost")
    assert third.complete(0.5).json()["is_outcome"] is True


def test_a_respawned_worker_is_listed_as_what_it_is_now(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    held = lab.claim()
    successor = respawn(lab, held, host="elsewhere-2")
    successor.beat()

    rows = {row["name"]: row for row in lab.service.get("/workers")}
    assert (rows[successor.name]["pid"], rows[successor.name]["host"]) == (2, "elsewhere-2")


def test_two_processes_of_one_name_do_not_take_each_others_trials_for_ever(lab: Lab) -> None:
    lab.submit(budget={"trials": 2}, trial={"retries": 1})
    held = lab.claim()
    held.beat()
    namesake = respawn(lab, held)
    namesake.beat()
    assert held.beat().json()["order"] == "continue", "it lives, and takes its attempt back"
    for _ in range(3):
        held.worker.beat({"state": "busy", "attempt": held.attempt, "token": held.token})
        namesake.beat()
        held.worker.beat()

    assert lab.attempts(0)[0] == ("leased", None)
    assert held.complete(0.5).json()["is_outcome"] is True


def test_a_process_that_beats_for_its_attempt_is_given_no_second_one(lab: Lab) -> None:
    lab.submit(budget={"trials": 2}, parallel=2)
    held = lab.claim()
    held.beat()
    delayed = held.worker.try_claim(wait_s=0.3)

    assert delayed is None, "a claim that was under way for long; nobody would execute an attempt"
    assert lab.attempts(0) == [("leased", None)]
    assert held.complete(0.5).json()["is_outcome"] is True
    assert held.worker.claim().trial == 1


def test_a_claim_repeated_after_its_end_does_not_make_the_worker_busy(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    held = lab.claim()
    held.complete(0.5)
    held.worker.try_claim(held.token)

    rows = {row["name"]: row for row in lab.service.get("/workers")}
    assert (rows[held.worker.name]["state"], rows[held.worker.name]["trial"]) == ("idle", None)


def test_an_idle_beat_overtaken_by_a_claim_takes_nothing_away(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    held = lab.claim()
    for _ in range(3):
        held.worker.beat()

    assert lab.attempts(0) == [("leased", None)]
    assert held.complete(0.5).json()["is_outcome"] is True


def test_a_worker_that_stays_idle_gives_back_what_it_was_never_told_of(quick_lab: Lab) -> None:
    quick_lab.submit(budget={"trials": 1}, trial={"retries": 0})
    # Before the answer is here: the server counts from when it gave the attempt out.
    begun, counted = time.monotonic(), clock()
    held = quick_lab.claim()
    quick_lab.wait(
        lambda: held.worker.beat() and len(quick_lab.attempts(0)) > 1, "it is given back"
    )

    assert time.monotonic() - begun > 2 * BEAT_S - 0.1
    assert clock() - counted < LEASE_S
    assert quick_lab.attempts(0) == [("revoked", None), ("ready", None)]
    assert held.worker.claim().complete(0.5).json()["is_outcome"] is True


def test_a_worker_that_stays_idle_loses_what_it_does_not_beat_for_any_more(quick_lab: Lab) -> None:
    quick_lab.submit(budget={"trials": 1})
    held = quick_lab.claim()
    held.beat()
    quick_lab.wait(
        lambda: held.worker.beat() and len(quick_lab.attempts(0)) > 1, "it is given back"
    )

    assert quick_lab.attempts(0) == [("lost", "lost"), ("ready", None)]
    assert "continued without it" in quick_lab.show(0)["attempt_list"][0]["error"]


@pytest.mark.parametrize("state", ["waiting", "sent"])
def test_a_worker_that_has_hung_up_is_given_nothing(lab: Lab, state: str) -> None:
    """While its claim waits for work; and when the claim was read after its sender had gone."""
    gone = lab.worker("gone")
    body = json.dumps(gone.claim_body(secrets.token_hex(16), wait_s=20.0)).encode()
    url = urlsplit(lab.service.url)
    if state == "sent":
        lab.submit(budget={"trials": 1})
        lab.wait(lambda: gone.beat() and lab.trials(), "an attempt is ready")
    with socket.create_connection((str(url.hostname), url.port or 0)) as connection:
        head = f"POST /v1/claim HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {TOKEN}\r\n"
        rest = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        if state == "sent":
            os.kill(lab.service.pid, signal.SIGSTOP)
        connection.sendall(head.encode() + rest.encode() + body)
        time.sleep(0.2)
    if state == "sent":
        os.kill(lab.service.pid, signal.SIGCONT)
    else:
        lab.submit(budget={"trials": 1})
    other = lab.claim("other")

    assert lab.attempts(0) == [("leased", None)]
    assert other.complete(0.5).json()["is_outcome"] is True
