"""What the server refuses: with a status that tells the caller what to do, and in one form."""

from __future__ import annotations

import secrets
from typing import Any

import httpx
import pytest

from tests.support.protocol_worker import Held
from tests.support.service_process import TOKEN
from tests.support.study_lab import Lab

TEN_MB = 10 * 2**20


def is_problem(answer: httpx.Response, status: int) -> bool:
    """Whether the answer is a problem document of this status that says something."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert set(document) == {"type", "title", "status", "detail", "request_id"}
    assert document["status"] == status
    assert TOKEN not in answer.text
    return bool(document["detail"])


@pytest.fixture
def held(lab: Lab) -> Held:
    lab.submit()
    return lab.claim()


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN])
def test_without_the_token_nothing_is_answered(lab: Lab, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for method, path in (
        ("GET", "/config"),
        ("POST", "/claim"),
        ("POST", "/attempts/s1-t0-a1/finish"),
        ("GET", "/studies"),
        ("PUT", f"/code/{'0' * 64}"),
        ("DELETE", f"/studies/{lab.study}"),
    ):
        answer = httpx.request(method, f"{lab.service.url}/v1{path}", headers=headers)
        assert is_problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


def test_health_needs_no_token_and_says_nothing_secret(lab: Lab) -> None:
    answer = httpx.get(f"{lab.service.url}/v1/health")

    assert set(answer.json()) == {"service", "release", "protocol", "pid"}


@pytest.mark.parametrize("verb", ["report", "finish", "beat"])
def test_a_forged_token_of_an_attempt_is_refused(lab: Lab, held: Held, verb: str) -> None:
    forged = Held(held.worker, secrets.token_hex(16), held.assignment)
    answer = {
        "report": lambda: forged.report(1, 0.5),
        "finish": lambda: forged.complete(99.0),
        "beat": forged.beat,
    }[verb]()

    assert is_problem(answer, 409)
    assert lab.show(held.trial)["reports"] == []
    assert held.complete(0.5).json()["is_outcome"] is True


def test_the_token_of_one_attempt_is_no_use_for_another(lab: Lab) -> None:
    lab.submit(parallel=2)
    mine, other = lab.claim(), lab.claim()
    foreign = Held(mine.worker, mine.token, other.assignment)

    assert is_problem(foreign.complete(99.0), 409)
    assert is_problem(foreign.report(1, 99.0), 409)
    assert is_problem(foreign.beat(), 409)
    assert lab.show(other.trial)["state"] == "RUNNING"


@pytest.mark.parametrize(
    ("attempt", "status"),
    [
        ("s999999-t0-a1", 404),
        ("nonsense", 404),
        ("s1-t0-a1%00", 422),
        ("%F0%9F%92%A9", 422),
        ("x" * 500, 422),
        ("..%2f..", 404),
    ],
)
def test_an_unknown_attempt_is_not_found(held: Held, attempt: str, status: int) -> None:
    body = {"token": held.token, "points": []}

    assert is_problem(held.worker.post(f"/attempts/{attempt}/report", body), status)
    body = held.finish_body("complete", values=[1.0])
    assert is_problem(held.worker.post(f"/attempts/{attempt}/finish", body), status)


@pytest.mark.parametrize(
    "points",
    [
        [{"step": -1, "value": 0.5}],
        [{"step": 0, "value": 0.5}],
        [{"step": 10**12, "value": 0.5}],
        [{"step": 10**400, "value": 0.5}],
        [{"step": 1.5, "value": 0.5}],
        [{"step": True, "value": 0.5}],
        [{"step": 1, "value": None}],
        [{"step": 1, "value": "many"}],
        [{"step": 1, "value": [0.5]}],
        [{"step": 1, "value": 10**400}],
        [{"step": 1, "value": 0.5, "metrics": {"loss": "nan"}}],
        [{"step": 1}],
        [{"step": 1, "value": 0.5}, "no point"],
        {"step": 1, "value": 0.5},
        None,
    ],
    ids=lambda points: str(points)[:60],
)
def test_a_report_that_makes_no_sense_is_refused_and_stored_nowhere(
    lab: Lab, held: Held, points: Any
) -> None:
    assert is_problem(held.report_points(points), 422)
    body = held.finish_body("complete", values=[0.5], points=points)
    assert is_problem(held.post("finish", body), 422)
    assert (lab.show(held.trial)["reports"], lab.show(held.trial)["state"]) == ([], "RUNNING")


@pytest.mark.parametrize(
    "change",
    [
        {"values": []},
        {"values": [0.5, 0.5]},
        {"values": ["high"]},
        {"values": [None]},
        {"values": 0.5},
        {"values": [10**400]},
        {"outcome": "great"},
        {"outcome": "failed", "values": []},
        {"outcome": "failed", "cause": "bad luck", "values": []},
        {"metrics": {"loss": "nan"}},
        {"duration_s": "long"},
        {"exit_status": 10**30},
        {"token": 7},
    ],
    ids=str,
)
def test_a_result_that_contradicts_itself_or_the_study_is_refused(
    lab: Lab, held: Held, change: dict[str, Any]
) -> None:
    body = {**held.finish_body("complete", values=[0.5]), **change}

    assert is_problem(held.post("finish", body), 422)
    assert lab.show(held.trial)["state"] == "RUNNING"
    assert held.complete(0.5).json()["is_outcome"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"token": "short"},
        {"token": "Z" * 32},
        {"worker": {"name": "../../etc", "host": "h", "pid": 1}},
        {"worker": {"name": "n", "host": "h", "pid": 10**30}},
        {"worker": {"name": "n", "host": "h", "pid": 1, "device": "tpu"}},
        {"worker": {"name": "n", "host": "h"}},
        {"worker": "n"},
        {"wait_s": "for ever"},
        {"wait_s": 10**400},
    ],
    ids=str,
)
def test_a_malformed_claim_is_refused(lab: Lab, change: dict[str, Any]) -> None:
    worker = lab.worker()

    assert is_problem(worker.post("/claim", {**worker.claim_body(), **change}), 422)


def test_a_worker_of_another_protocol_gets_no_attempt_and_may_finish_the_one_it_has(
    lab: Lab, held: Held
) -> None:
    body = {**held.worker.claim_body(), "version": 2}
    answer = held.worker.post("/claim", body)

    assert is_problem(answer, 409)
    assert "protocol" in answer.json()["detail"]
    ending = held.post("finish", {**held.finish_body("complete", values=[0.5]), "version": 2})
    assert ending.json()["is_outcome"] is True


@pytest.mark.parametrize(
    "content",
    [
        b'{"token": "%s", "points": [{"step": 1, "value": NaN}]}',
        b'{"token": "%s", "points": [{"step": 1, "value": Infinity}]}',
        b'{"token": "%s", "points": [{"step": 1, "value": 1e999}]}',
        b'{"token": "%s", "points": [',
        b'{"token": "%s", "points": [{"step": 1' + b"0" * 5000 + b', "value": 1}]}',
        b"[" * 100_000,
        b"\xff\xfe%s",
        b"",
        b"null",
        b'"text"',
    ],
    ids=lambda content: content[:60],
)
def test_what_is_not_strict_json_is_refused(held: Held, content: bytes) -> None:
    path = f"/attempts/{held.attempt}/report"
    content = content.replace(b"%s", held.token.encode())
    answer = held.worker.service.call("POST", path, content=content)

    assert is_problem(answer, 422)


@pytest.mark.parametrize("path", ["/claim", "/beat", "/attempts/s1-t0-a1/finish", "/studies"])
def test_a_body_of_ten_megabytes_is_refused(lab: Lab, path: str) -> None:
    answer = lab.service.call("POST", path, content=b'{"a": "' + b"x" * TEN_MB + b'"}')

    assert is_problem(answer, 413)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"spec": {}},
        {"spec": []},
        {"spec": None},
        {"spec": {"project": "p"}, "code": 7},
        {"spec": {"project": "../.."}},
        {"surprise": 1},
        [],
        None,
        "text",
    ],
    ids=str,
)
def test_a_malformed_submission_is_refused(lab: Lab, body: Any) -> None:
    assert is_problem(lab.service.call("POST", "/studies", json=body), 422)


def test_a_wrong_spec_is_refused_with_every_problem_at_once(lab: Lab) -> None:
    spec = lab.spec(
        budget={"trials": 0}, search_space={"x": {"type": "float", "low": 2.0, "high": 1.0}}
    )
    spec["surprise"] = 1
    answer = lab.service.call("POST", "/studies", {"spec": spec})

    assert is_problem(answer, 422)
    detail = answer.json()["detail"]
    assert all(key in detail for key in ("budget.trials", "search_space.x", "surprise"))


def test_code_under_another_hash_or_unknown_code_is_refused(lab: Lab) -> None:
    digest = "0" * 64

    assert is_problem(lab.service.call("PUT", f"/code/{digest}", content=b"other"), 422)
    body = {"spec": lab.spec(), "code": digest}
    assert is_problem(lab.service.call("POST", "/studies", body), 422)
    assert is_problem(lab.service.call("GET", f"/code/{digest}"), 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/studies/faults/nothing", 404),
        ("GET", "/studies/Faults/x%20y", 422),
        ("POST", "/studies/faults/nothing/pause", 404),
        ("DELETE", "/studies/faults/nothing", 404),
        ("GET", "/studies/{study}/trials/99", 404),
        ("GET", "/studies/{study}/trials/-1", 422),
        ("GET", "/studies/{study}/trials/99999999999999999999", 422),
        ("GET", "/studies/{study}/trials?state=lost", 422),
        ("GET", "/studies/{study}/trials?limit=-1", 422),
        ("GET", "/studies/{study}/events?after=99999999999999999999", 422),
        ("POST", "/studies/{study}/trials/99/cancel", 404),
        ("POST", "/studies/{study}/stop", 422),
        ("POST", "/workers/nobody/drain", 404),
        ("POST", "/workers/%00/drain", 422),
        ("GET", "/nowhere", 404),
        ("PATCH", "/studies", 405),
    ],
)
def test_every_refusal_is_a_problem_document(lab: Lab, method: str, path: str, status: int) -> None:
    lab.submit()
    body = {"now": "maybe"} if path.endswith("stop") else None

    assert is_problem(lab.service.call(method, path.format(study=lab.study), body), status)


@pytest.mark.parametrize("text", ["NUL \0 here", "a lone surrogate \ud800", "\N{SNOWMAN}" * 9000])
def test_an_error_with_odd_characters_is_accepted(lab: Lab, held: Held, text: str) -> None:
    """A worker repeats a finish until it is answered, so none may be refused for its text."""
    answer = held.fail("error", text)

    assert answer.status_code == 200, answer.text
    assert lab.show(held.trial)["state"] == "FAIL"
    assert lab.show(held.trial)["error"][:4] == text[:4]


def test_only_the_end_of_a_long_error_is_kept(lab: Lab, held: Held) -> None:
    held.fail("error", "\n".join(f"line {n}" for n in range(500)))

    lines = lab.show(held.trial)["error"].splitlines()
    assert (len(lines), lines[-1]) == (50, "line 499")
