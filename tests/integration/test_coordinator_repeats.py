"""Every call may be repeated: an answer that was lost on its way is given again."""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.protocol_worker import Held, ProtocolWorker
from tests.support.study_lab import Lab


def claim_twice(lab: Lab, worker: ProtocolWorker) -> Held:
    """Claim with one token, once with the answer lost; return what the second answer gives."""
    token = secrets.token_hex(16)
    wait_ready(lab, worker)
    worker.service.call_and_lose_the_answer("POST", "/claim", worker.claim_body(token))
    held = worker.try_claim(token)
    assert held is not None
    return held


def wait_ready(lab: Lab, worker: ProtocolWorker) -> None:
    """Wait until an attempt is there to be claimed; the beats say that somebody wants one."""
    lab.wait(lambda: worker.beat() and lab.status()["counts"]["waiting"], "an attempt is ready")


def test_a_claim_whose_answer_was_lost_is_given_the_same_attempt(lab: Lab) -> None:
    lab.submit()
    worker = lab.worker()
    held = claim_twice(lab, worker)
    again = worker.try_claim(held.token)

    assert again is not None
    assert again.assignment == held.assignment
    assert lab.status()["counts"]["running"] == 1
    other = worker.try_claim(wait_s=0.3)
    assert other is not None
    assert other.attempt != held.attempt, "another token is another claim"


def test_a_claim_repeated_after_the_attempt_has_ended_claims_nothing_new(lab: Lab) -> None:
    lab.submit()
    held = lab.claim()
    held.complete(0.5)
    again = held.worker.try_claim(held.token)

    assert again is not None
    assert again.attempt == held.attempt
    assert again.complete(0.5).json()["is_outcome"] is True
    assert again.complete(0.75).status_code == 409


def test_a_report_whose_answer_was_lost_is_stored_once(lab: Lab) -> None:
    lab.submit()
    held = lab.claim()
    points = [{"step": 1, "value": 0.5, "metrics": {"loss": 0.1}}, {"step": 2, "value": "inf"}]
    body = {"token": held.token, "points": points}
    lab.service.call_and_lose_the_answer("POST", f"/attempts/{held.attempt}/report", body)
    answers = [held.post("report", body).json() for _ in range(2)]

    assert [answer["order"] for answer in answers] == ["continue", "continue"]
    reports = lab.show(held.trial)["reports"]
    assert [(r["step"], r["value"]) for r in reports] == [(1, 0.5), (2, None)]


def test_the_first_report_of_a_step_counts(lab: Lab) -> None:
    lab.submit()
    held = lab.claim()
    for value in (0.5, 0.9):
        assert held.report(1, value).status_code == 200
    doubled = [{"step": 2, "value": 0.1}, {"step": 2, "value": 0.2}, {"step": 3, "value": 0.3}]
    assert held.report_points(doubled).status_code == 200

    reports = lab.show(held.trial)["reports"]
    assert [(r["step"], r["value"]) for r in reports] == [(1, 0.5), (2, 0.1), (3, 0.3)]


@pytest.mark.parametrize("outcome", ["complete", "pruned", "failed"])
def test_a_finish_whose_answer_was_lost_is_given_the_same_answer(lab: Lab, outcome: str) -> None:
    lab.submit()
    held = lab.claim()
    points = [{"step": 1, "value": 0.25}]
    said: dict[str, Any] = {
        "complete": {"values": [0.5], "metrics": {"loss": 0.125}},
        "pruned": {},
        "failed": {"cause": "error", "error": "ValueError: no"},
    }[outcome]
    body = held.finish_body(outcome, points=points, **said)
    lab.service.call_and_lose_the_answer("POST", f"/attempts/{held.attempt}/finish", body)
    answers = [held.post("finish", body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["is_outcome"] is True
    assert len(lab.show(held.trial)["reports"]) == 1
    assert len([e for e in lab.show(held.trial)["events"] if e["kind"].startswith("trial-")]) == 1


def test_another_finish_of_the_same_attempt_is_refused_and_changes_nothing(lab: Lab) -> None:
    lab.submit()
    held = lab.claim()
    held.complete(0.5)
    before = lab.show(held.trial)
    answers = [
        held.complete(0.75),
        held.complete(0.5, metrics={"loss": 1.0}),
        held.fail("error"),
        held.pruned(),
    ]

    assert [answer.status_code for answer in answers] == [409] * 4
    assert lab.show(held.trial) == before


def test_a_finish_that_led_to_another_attempt_may_be_repeated_too(lab: Lab) -> None:
    lab.submit()
    held = lab.claim()
    answers = [held.fail("preempted").json() for _ in range(3)]

    assert [answer["is_outcome"] for answer in answers] == [False] * 3
    assert lab.attempts(held.trial) == [("failed", "preempted"), ("ready", None)]


def test_a_repeated_answer_outlives_the_server(own_lab: Lab) -> None:
    own_lab.submit()
    worker = own_lab.worker()
    held = worker.claim()
    own_lab.service.kill_and_start()
    again = worker.try_claim(held.token)
    first = held.complete(0.5)
    own_lab.service.kill_and_start()

    assert again is not None
    assert again.assignment == held.assignment
    assert held.complete(0.5).json() == first.json()
    assert held.complete(0.75).status_code == 409


def test_of_many_claims_at_once_each_attempt_is_given_to_one_worker(lab: Lab) -> None:
    rounds, crowd = 6, 6
    lab.submit(budget={"trials": rounds}, parallel=1)
    workers = [lab.worker() for _ in range(crowd)]
    start = threading.Barrier(crowd)

    def claim(worker: ProtocolWorker) -> Held | None:
        start.wait()
        return worker.try_claim(wait_s=0.2)

    winners: list[str] = []
    with ThreadPoolExecutor(crowd) as threads:
        while len(winners) < rounds:
            won = [held for held in threads.map(claim, workers) if held is not None]
            assert len(won) <= 1, "parallel: 1"
            for held in won:
                assert held.complete(0.5).status_code == 200
                winners.append(held.attempt)

    assert len(set(winners)) == rounds
    assert [trial["attempts"] for trial in lab.trials()] == [1] * rounds


def test_one_token_sent_by_two_at_once_is_one_claim(lab: Lab) -> None:
    lab.submit(budget={"trials": 8})
    worker = lab.worker()
    for _ in range(4):
        wait_ready(lab, worker)
        token = secrets.token_hex(16)
        body = worker.claim_body(token)
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: worker.post("/claim", body), range(4)))  # noqa: B023
        # One that comes while another is at work may be told to try again, or of nothing.
        assert {answer.status_code for answer in answers} <= {200, 204, 503}
        held = worker.try_claim(token)
        assert held is not None
        given = {a.json()["attempt"] for a in answers if a.status_code == 200} | {held.attempt}
        assert len(given) == 1
        assert held.complete(0.5).status_code == 200


def test_a_stale_wake_up_finds_nothing_and_harms_nothing(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    worker = lab.worker()
    held = worker.claim()
    held.complete(0.5)
    lab.wait_closed()

    # A worker that is woken claims; that is all a message can make it do.
    assert [worker.try_claim() for _ in range(5)] == [None] * 5
    assert len(lab.trials()) == 1
