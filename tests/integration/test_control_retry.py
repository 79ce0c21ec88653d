"""Retry: failed configurations again, as new trials, with the same code or with corrected code."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx

from tests.support.archives import make_archive
from tests.support.protocol_worker import ProtocolWorker
from tests.support.study_lab import COUNTS, Lab


def test_retry_tries_failed_configurations_again_as_new_trials_at_the_front(lab: Lab) -> None:
    lab.submit(budget={"trials": 3}, parallel=1)
    worker = lab.worker()
    worker.claim().fail("error", "ValueError: 1")
    worker.claim().complete(0.5)
    for _ in range(2):
        worker.claim().fail("oom")
    assert lab.wait_closed()["counts"] == {**COUNTS, "complete": 1, "fail": 2}
    assert lab.do("retry", {"failed": True})["retried"] == [0, 2]
    again = lab.run(worker, lambda held: float(held.trial))

    assert [held.trial for held in again] == [3, 4]
    params = [trial["params"] for trial in lab.trials()]
    assert (params[3], params[4]) == (params[0], params[2])
    assert [lab.show(n)["proposal"]["retry_of"] for n in (3, 4)] == [0, 2]
    status = lab.status()
    assert status["counts"] == {**COUNTS, "complete": 3, "fail": 2}
    assert status["budget"]["used"] == 3, "the new trial counts instead of the failed one"


def test_retry_asked_again_gives_the_same_answer_until_the_new_trials_have_ended(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    worker = lab.worker()
    worker.claim().fail("error")
    lab.wait_closed()

    assert [retry(lab), retry(lab)] == [[0], [0]]
    again = worker.claim()
    assert again.params == lab.show(0)["params"]
    assert retry(lab) == [0]
    again.fail("error")
    lab.wait_closed()
    assert [retry(lab), retry(lab)] == [[1], [1]], "the new failure is another one"
    worker.claim().complete(0.5)
    lab.wait_closed()
    assert retry(lab) == []
    assert len(lab.events("study-retry")) == 2


def test_nothing_that_the_user_cancelled_is_retried(lab: Lab) -> None:
    lab.submit(budget={"trials": 2})
    running = lab.claim()
    lab.do(f"trials/{running.trial}/cancel")

    assert retry(lab) == []


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


def test_what_failed_is_retried_while_others_run(lab: Lab) -> None:
    lab.submit(budget={"trials": 3}, parallel=2)
    first, second = lab.worker(), lab.worker()
    running = first.claim()
    fail_before_the_next_proposal(lab, second)
    assert retry(lab) == [1]
    again = second.claim()

    assert lab.show(again.trial)["proposal"]["retry_of"] == 1
    assert running.complete(0.5).json()["is_outcome"] is True
    assert again.complete(0.25).json()["is_outcome"] is True
    lab.run(first, lambda _: 0.75)
    assert lab.status()["budget"]["used"] == 3
    assert len(lab.trials()) == 4


def test_every_failed_configuration_of_an_exhausted_space_is_tried_again(lab: Lab) -> None:
    space = {"x": {"type": "int", "low": 1, "high": 3}}
    lab.submit(search_space=space, budget={"trials": 9}, parallel=1)
    worker = lab.worker()
    for number in range(3):
        worker.claim().fail("error", f"ValueError: {number}")
    assert "search space exhausted" in lab.wait_closed()["reason"]

    assert retry(lab) == [0, 1, 2]
    again = lab.run(worker, lambda _: 0.5)
    assert sorted(held.params["x"] for held in again) == [1, 2, 3]
    assert lab.status()["counts"] == {**COUNTS, "complete": 3, "fail": 3}


def test_a_cancelled_study_is_not_retried(lab: Lab) -> None:
    lab.submit(budget={"trials": 2})
    lab.claim().fail("error")
    running = lab.claim()
    lab.do("cancel")
    answer = lab.service.call("POST", f"/studies/{lab.study}/retry")

    assert answer.status_code == 409
    assert "cancelled by the user), which is final" in answer.json()["detail"]
    assert running.beat().json()["order"] == "cancel"
    assert lab.wait_closed()["state"] == "cancelled"


def test_new_trials_run_the_mended_code_and_those_that_exist_keep_theirs(lab: Lab) -> None:
    broken, mended = store(lab, b"broken"), store(lab, b"mended")
    git = {"commit": "a" * 40, "dirty": True}
    body = {"spec": lab.spec(budget={"trials": 4}, parallel=2), "code": broken}
    assert lab.service.call("POST", "/studies", body).status_code == 200
    first, second = lab.worker(), lab.worker()
    running = second.claim()
    fail_before_the_next_proposal(lab, first)
    answer = lab.do("retry", {**body, "code": mended, "git": git})

    assert answer["retried"] == [1]
    (change,) = answer["changes"]
    assert (change["key"], change["old"], change["new"]) == ("code", broken, mended)
    assert lab.do("retry", {**body, "code": mended, "git": git}) == {"retried": [1], "changes": []}
    again = first.claim()
    assert (again.assignment["code"], again.params) == (mended, lab.show(1)["params"])
    assert again.assignment["config"]["code"] == {"snapshot": mended, "git": git}
    running.fail("preempted")
    elsewhere = second.claim()
    assert (elsewhere.trial, elsewhere.assignment["attempt_no"]) == (running.trial, 2)
    assert elsewhere.assignment["code"] == broken, "a trial keeps the code it was made with"
    assert elsewhere.assignment["config"]["code"] == {"snapshot": broken, "git": None}
    for held in (again, elsewhere):
        held.complete(0.5)
    rest = lab.run(first, lambda _: 0.5)
    assert {held.assignment["code"] for held in rest} == {mended}
    assert [lab.show(n)["code"] for n in range(3)] == [broken, broken, mended]
    (event,) = lab.events("study-edited")
    assert "objectives.py" in event["text"]


def test_the_code_of_a_study_is_what_its_new_trials_run(lab: Lab) -> None:
    broken, mended = store(lab, b"old"), store(lab, b"new")
    body = {"spec": lab.spec(), "code": broken}
    lab.service.call("POST", "/studies", body)
    lab.claim().fail("error")
    lab.do("retry", {**body, "code": mended})

    with_new = lab.service.call("POST", "/studies", {**body, "code": mended})
    assert (with_new.status_code, with_new.json()["created"]) == (200, False)
    with_old = lab.service.call("POST", "/studies", body)
    assert with_old.status_code == 409
    assert f"tuner retry {lab.study} --spec SPEC" in with_old.json()["detail"]


def test_a_retry_with_a_spec_takes_what_may_change_and_refuses_the_rest(lab: Lab) -> None:
    code = store(lab, b"same")
    body = {"spec": lab.spec(budget={"trials": 1}), "code": code}
    lab.service.call("POST", "/studies", body)
    lab.claim().fail("error")
    before = lab.wait_closed()

    def send(spec: dict[str, Any], **changes: Any) -> httpx.Response:
        sent = {**body, "spec": spec, **changes}
        return lab.service.call("POST", f"/studies/{lab.study}/retry", sent)

    refused = {
        "search_space.x": send(lab.spec(search_space={"x": {"type": "bool"}})),
        "  data: ": send(body["spec"], data="0" * 64),
        "store the snapshot first": send(body["spec"], code="0" * 64),
        "the spec is that of faults/other": send(lab.spec(study="other")),
    }
    assert {said: a.status_code for said, a in refused.items()} == dict(
        zip(refused, (409, 409, 422, 422), strict=True)
    )
    assert all(said in answer.json()["detail"] for said, answer in refused.items())
    assert lab.status() == before
    changed = send(lab.spec(budget={"trials": 2})).json()
    assert changed["changes"] == [{"key": "budget.trials", "old": 1, "new": 2}]
    assert len(lab.run(lab.worker(), lambda _: 0.5)) == 2


def test_a_snapshot_is_kept_as_long_as_a_trial_was_made_with_it(lab: Lab) -> None:
    other = Lab(lab.service)
    broken, mended = store(lab, b"kept 1"), store(lab, b"kept 2")
    for one in (lab, other):
        one.service.call("POST", "/studies", {"spec": one.spec(), "code": broken})
        one.claim().fail("error")
        one.do("retry", {"spec": one.spec(), "code": mended})
    other.close()
    held = [lab.service.call("GET", f"/code/{code}").status_code for code in (broken, mended)]
    lab.service.call("DELETE", f"/studies/{lab.study}")

    assert held == [200, 200]
    gone = [lab.service.call("GET", f"/code/{code}").status_code for code in (broken, mended)]
    assert gone == [404, 404]


def fail_before_the_next_proposal(lab: Lab, worker: ProtocolWorker) -> None:
    """Have a worker's trial fail; the study is paused, so that a retry is what comes next."""
    held = worker.claim()
    lab.do("pause")
    held.fail("error")


def retry(lab: Lab) -> list[int]:
    """Retry; return the failed trials that are tried again."""
    numbers: list[int] = lab.do("retry")["retried"]
    return numbers


def store(lab: Lab, content: bytes) -> str:
    """Store a snapshot of this study's own; return its hash."""
    content = make_archive({"objectives.py": f"said = {content!r}, {lab.name!r}\n"})
    digest = hashlib.sha256(content).hexdigest()
    assert lab.service.call("PUT", f"/code/{digest}", content=content).status_code == 204
    return digest
