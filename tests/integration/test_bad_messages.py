"""What is refused changes nothing: the whole database is compared before and after."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.integration.conftest import MakeService
from tests.integration.test_coordinator_refusals import is_problem
from tests.support.databases.dump import Database
from tests.support.protocol_worker import Held
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import Lab

TEXT = "x" * (10 << 20)
POINT = {"step": 1, "value": 0.5}
#: Points of a report or a finish that say nothing that could be stored.
POINTS: tuple[Any, ...] = (
    [{**POINT, "step": -1}],
    [{**POINT, "step": 0}],
    [{**POINT, "step": 10**12}],
    [{**POINT, "step": 1.5}],
    [{**POINT, "step": True}],
    [{"step": 1, "value": None}],
    [{"step": 1, "value": "many"}],
    [{"step": 1, "value": 10**400}],
    [{**POINT, "metrics": {"loss": "nan"}}],
    [POINT, {**POINT, "step": -1}],
    [POINT, "no point"],
    POINT,
    None,
)


@dataclass
class Scene:
    """A server where one trial runs, one has ended, and another study has a trial too."""

    service: ServiceProcess
    lab: Lab
    running: Held
    ended: Held
    foreign: Held
    database: Database

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.running.worker.post(path, body)

    def raw(self, path: str, content: bytes) -> httpx.Response:
        return self.service.call("POST", path, content=content)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, make_service: MakeService) -> Iterator[Scene]:
    # Nothing runs out while the test compares.
    with make_service(request.param, lease_s=600.0, leader_lease_s=600.0) as service:
        lab, other = Lab(service), Lab(service)
        with closing(Database(service.database_url)) as database:
            for one in (lab, other):
                one.submit(budget={"trials": 2}, parallel=2)
            running, ended, foreign = lab.claim(), lab.claim(), other.claim()
            running.report(1, 0.25)
            ended.complete(0.5)
            other.claim()
            lab.wait(lambda: is_quiet(database), "everything is filed")
            yield Scene(service, lab, running, ended, foreign, database)
        lab.close()
        other.close()


def is_quiet(database: Database) -> bool:
    """Whether the server has nothing left to do by itself."""
    return database.count("tuner_attempts", state="done", filed=False) == 0


def refused_by_attempts(scene: Scene) -> Iterator[tuple[str, httpx.Response, int]]:
    """Yield what was wrong, the answer, and the status that it must have."""
    held, ended, foreign = scene.running, scene.ended, scene.foreign
    result = held.finish_body("complete", values=[99.0])
    report = {"token": held.token, "points": [{"step": 2, "value": 99.0}]}
    for verb, body in (("report", report), ("finish", result)):
        path = f"/attempts/{held.attempt}/{verb}"
        for points in POINTS:
            yield f"{verb} {points}"[:80], scene.post(path, {**body, "points": points}), 422
        for token, status in ((secrets.token_hex(16), 409), (foreign.token, 409), (7, 422)):
            yield f"{verb} token {token}", scene.post(path, {**body, "token": token}), status
        for unknown in ("s999999-t0-a1", f"{held.attempt}9", "nonsense"):
            answer = scene.post(f"/attempts/{unknown}/{verb}", body)
            yield f"{verb} of {unknown}", answer, 404
        after = {**body, "token": ended.token}
        yield f"{verb} after the end", scene.post(f"/attempts/{ended.attempt}/{verb}", after), 409
        text = json.dumps(body)
        for literal in ("NaN", "Infinity", "-Infinity", "1e999"):
            bad = text.replace("99.0", literal).encode()
            yield f"{verb} with {literal}", scene.raw(path, bad), 422
        yield f"{verb} cut off", scene.raw(path, text[:-2].encode()), 422
        yield f"{verb} of 10 MB", scene.post(path, {**body, "error": TEXT}), 413
    for change in (
        {"values": []},
        {"values": [1.0, 2.0]},
        {"values": ["high"]},
        {"outcome": "great"},
        {"outcome": "failed"},
        {"outcome": "failed", "cause": "bad luck"},
        {"metrics": {"loss": None}},
        {"duration_s": "long"},
        {"exit_status": 10**30},
    ):
        yield (
            f"finish {change}",
            scene.post(f"/attempts/{held.attempt}/finish", {**result, **change}),
            422,
        )


def refused_by_the_desk(scene: Scene) -> Iterator[tuple[str, httpx.Response, int]]:
    """The same for claims and beats, of workers that are known and of new ones."""
    held, ended = scene.running, scene.ended
    stranger = {**held.worker.info(), "name": "stranger"}
    for worker in (held.worker.info(), stranger):
        beat = {"worker": worker, "state": "busy", "attempt": held.attempt, "token": held.token}
        for change, status in (
            ({"token": secrets.token_hex(16)}, 409),
            ({"token": scene.foreign.token}, 409),
            ({"attempt": "s999999-t0-a1"}, 404),
            ({"attempt": ended.attempt, "token": ended.token}, 409),
            ({"state": "dancing"}, 422),
            ({"token": TEXT}, 413),
        ):
            answer = scene.post("/beat", {**beat, **change})
            yield f"beat {change}"[:80], answer, status
        claim = {"token": secrets.token_hex(16), "worker": worker}
        for change, status in (
            ({"token": "short"}, 422),
            ({"token": "Z" * 32}, 422),
            ({"worker": {**worker, "name": "../../etc"}}, 422),
            ({"worker": {**worker, "device": "tpu"}}, 422),
            ({"worker": {**worker, "host": TEXT}}, 413),
            ({"wait_s": "for ever"}, 422),
        ):
            yield f"claim {change}"[:80], scene.post("/claim", {**claim, **change}), status


def refused_by_verbs(scene: Scene) -> Iterator[tuple[str, httpx.Response, int]]:
    """The same for what users ask."""
    lab, call = scene.lab, scene.service.call
    path = f"/studies/{lab.study}"
    spec = lab.spec(budget={"trials": 2}, parallel=2)
    other_space = {**spec, "search_space": {"x": {"type": "bool"}}}
    for method, where, body, status in (
        ("POST", "/studies", {"spec": {}}, 422),
        ("POST", "/studies", {"spec": other_space}, 409),
        ("POST", "/studies", {"spec": {**spec, "parallel": 0}}, 422),
        ("POST", "/studies", {"spec": {**spec, "parallel": 1}, "code": "0" * 64}, 422),
        ("PATCH", path, {"changes": {"parallel": 1, "priority": 1000}}, 422),
        ("PATCH", path, {"changes": {"parallel": 1, "objective": "a:b"}}, 422),
        ("PATCH", f"{path}x", {"changes": {"parallel": 1}}, 404),
        ("POST", f"{path}/retry", {"spec": {**spec, "parallel": 1}, "code": "0" * 64}, 422),
        ("POST", f"{path}/retry", {"spec": other_space}, 409),
        ("POST", f"{path}/retry", {"failed": False}, 422),
        ("POST", f"{path}/stop", {"now": "maybe"}, 422),
        ("POST", f"{path}/trials/99/cancel", None, 404),
        ("POST", "/workers/nobody/drain", None, 404),
        ("DELETE", f"{path}x", None, 404),
        ("PUT", f"/code/{'0' * 64}", {"other": "content"}, 422),
        ("POST", path, {"note": TEXT}, 405),
        ("POST", f"{path}/retry", {"note": TEXT}, 413),
    ):
        yield f"{method} {where} {body}"[:120], call(method, where, body), status


@pytest.mark.parametrize(
    "refused",
    [refused_by_attempts, refused_by_the_desk, refused_by_verbs],
    ids=lambda f: f.__name__,
)
def test_what_is_refused_says_why_and_changes_nothing(scene: Scene, refused: Any) -> None:
    before = scene.database.dump()
    count = 0
    for said, answer, status in refused(scene):
        assert answer.status_code == status, (said, answer.text)
        assert is_problem(answer, status), said
        after = scene.database.dump()
        changed = [name for name in before if before[name] != after[name]]
        assert changed == [], (said, [set(after[n]) ^ set(before[n]) for n in changed])
        count += 1

    assert count >= 15
    assert scene.running.beat().json()["order"] == "continue"
