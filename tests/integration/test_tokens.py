"""What a worker's token reaches, and how soon a token that was revoked reaches nothing."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.conftest import MakeService
from tests.support.archives import make_archive
from tests.support.protocol_worker import Held, ProtocolWorker
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import Lab

IMAGE = f"sha256:{'a' * 64}"
OTHER_IMAGE = f"sha256:{'b' * 64}"


def make_token(service: ServiceProcess, *scopes: str, **facts: Any) -> str:
    """Return the secret of a new token."""
    name = f"t{secrets.token_hex(6)}"
    body = {"name": name, "scopes": scopes, **facts}
    return str(service.post("/tokens", body)["token"])


class Bearer(ProtocolWorker):
    """A worker that calls with a token of its own."""

    def calls_with(self, token: str) -> Bearer:
        self._client.headers["Authorization"] = f"Bearer {token}"
        return self

    def get(self, path: str) -> httpx.Response:
        return self._client.get(f"{self.service.url}/v1{path}")


@contextlib.contextmanager
def bearer(lab: Lab, token: str, **facts: Any) -> Iterator[Bearer]:
    worker = Bearer(lab.service, **{"image": lab.image, **facts}).calls_with(token)
    yield worker
    worker.close()


@pytest.fixture
def token(service: ServiceProcess) -> str:
    return make_token(service, "work")


def test_a_worker_with_a_workers_token_runs_a_trial_to_its_end(lab: Lab, token: str) -> None:
    lab.submit(budget={"trials": 1})
    with bearer(lab, token) as worker:
        held = worker.claim()
        assert held.report(1, 0.25).json()["order"] == "continue"
        assert held.beat().json()["order"] == "continue"
        assert held.complete(0.5).json()["is_outcome"] is True

    lab.wait(lambda: lab.status()["state"] == "finished", "it is the trial's outcome")


def test_no_token_reports_or_ends_what_another_one_has_leased(lab: Lab, token: str) -> None:
    lab.submit()
    other = make_token(lab.service, "work")
    with bearer(lab, token) as worker, bearer(lab, other) as thief:
        held = worker.claim()
        # It knows everything, the token of the claim too.
        stolen = {"token": held.token, "points": [{"step": 1, "value": 0.9}]}
        path = f"/attempts/{held.attempt}"
        assert thief.post(f"{path}/report", stolen).status_code == 409
        finish = held.finish_body("complete", values=[0.9])
        assert thief.post(f"{path}/finish", finish).status_code == 409
        beat = {"state": "busy", "attempt": held.attempt, "token": held.token}
        assert thief.beat(beat).status_code == 409
        assert thief.post("/claim", thief.claim_body(held.token)).status_code == 409

        assert held.complete(0.5).status_code == 200


def test_no_token_uses_the_name_of_another_ones_worker(lab: Lab, token: str) -> None:
    lab.submit()
    other = make_token(lab.service, "work")
    with bearer(lab, token) as worker, bearer(lab, other, name=worker.name, pid=2) as thief:
        held = worker.claim()
        for answer in (thief.beat(), thief.post("/claim", thief.claim_body())):
            assert answer.status_code == 409
            assert "with another token" in answer.json()["detail"]

        assert held.beat().json()["order"] == "continue", "what it runs was not ended"


def test_a_workers_token_for_a_project_is_given_trials_of_that_project_alone(lab: Lab) -> None:
    lab.submit()
    foreign = make_token(lab.service, "work", projects=["elsewhere"])
    own = make_token(lab.service, "work", projects=["elsewhere", "faults"])
    with bearer(lab, foreign) as outsider, bearer(lab, own) as insider:
        lab.wait(lambda: insider.beat() and lab.trials(), "a trial is ready")
        assert outsider.finds_nothing()
        assert insider.claim().assignment["study"] == lab.study


def test_a_worker_of_another_project_keeps_no_trial_from_the_one_that_failed(lab: Lab) -> None:
    lab.submit(budget={"trials": 1}, trial={"retries": 2})
    own = make_token(lab.service, "work", projects=["faults"])
    foreign = make_token(lab.service, "work", projects=["elsewhere"])
    with bearer(lab, own) as worker, bearer(lab, foreign) as outsider:
        outsider.beat()
        worker.claim().fail("oom")

        def claim_again() -> Held | None:
            assert outsider.beat().status_code == 200
            return worker.try_claim()

        again: Held = lab.wait(claim_again, "nobody else could run it")
        assert again.assignment["attempt_no"] == 2


def test_the_image_is_the_one_of_the_token_and_not_of_the_workers_word(lab: Lab) -> None:
    lab.submit(image=f"team/train@{IMAGE}")
    by_digest = make_token(lab.service, "work", image=IMAGE)
    by_name = make_token(lab.service, "work", image=f"team/train@{IMAGE}")
    for token, said in ((by_digest, None), (by_digest, f"team/train@{IMAGE}"), (by_name, None)):
        with bearer(lab, token, image=said) as worker:
            held = worker.claim()
            assert held.assignment["study"] == lab.study
            listed = listed_worker(lab, worker.name)
            assert listed["image"] == f"team/train@{IMAGE}"
            held.complete(0.5)


def test_a_worker_whose_image_is_not_its_tokens_gets_nothing_and_is_named(lab: Lab) -> None:
    lab.submit(image=f"team/train@{OTHER_IMAGE}")
    token = make_token(lab.service, "work", image=IMAGE)
    with bearer(lab, token, image=f"team/train@{OTHER_IMAGE}") as liar:
        with bearer(lab, make_token(lab.service, "work"), image=liar.image) as honest:
            lab.wait(lambda: honest.beat() and lab.trials(), "a trial is ready")
        assert liar.finds_nothing()
        listed = listed_worker(lab, liar.name)
        reply = liar.beat().json()

    assert listed["state"] == "out of service"
    assert f"its token is bound to the image {IMAGE}" in listed["reason"]
    assert reply["reason"] == listed["reason"]


def test_a_workers_token_fetches_the_code_of_what_it_runs_and_no_other(
    lab: Lab, token: str
) -> None:
    content = make_archive({"objectives.py": "def train(run):\n    return 0.5\n"})
    digest = hashlib.sha256(content).hexdigest()
    assert lab.service.call("PUT", f"/code/{digest}", content=content).status_code == 204
    lab.service.post("/studies", {"spec": lab.spec(), "code": digest})
    with bearer(lab, token) as worker, bearer(lab, make_token(lab.service, "work")) as other:
        assert worker.get(f"/code/{digest}").status_code == 404, "it runs nothing yet"
        worker.claim()
        assert worker.get(f"/code/{digest}").status_code == 200
        assert other.get(f"/code/{digest}").status_code == 404


def test_a_revoked_token_is_refused_within_a_second_also_where_a_claim_waits(
    make_service: MakeService,
) -> None:
    with make_service("postgresql") as one, two_servers(one) as two:
        body = {"name": "gone", "scopes": ["work"]}
        secret = str(one.post("/tokens", body)["token"])
        lab = Lab(two)
        with bearer(lab, secret) as worker:
            lab.wait(lambda: worker.beat().status_code == 200, "the other server knows it")
            answers: list[tuple[int, float]] = []

            def wait_for_work() -> None:
                claim = worker.post("/claim", worker.claim_body(wait_s=20.0))
                answers.append((claim.status_code, time.monotonic()))

            waiting = threading.Thread(target=wait_for_work)
            waiting.start()
            time.sleep(0.5)
            assert one.call("DELETE", "/tokens/gone").status_code == 200
            revoked = time.monotonic()
            waiting.join()
            assert worker.beat().status_code == 401
        lab.close()

    assert [status for status, _ in answers] == [401], answers
    # On a busy machine; alone it is less than one. It would have waited for 20.
    assert answers[0][1] - revoked < 5.0


@contextlib.contextmanager
def two_servers(first: ServiceProcess) -> Iterator[ServiceProcess]:
    """A second server on the database of the first."""
    home = first.home.with_name(f"{first.home.name}-second")
    second = ServiceProcess(first.nursery, home, first.database_url, first.redis_url)
    second.start()
    try:
        yield second
    finally:
        second.close()


def listed_worker(lab: Lab, name: str) -> dict[str, Any]:
    (found,) = [row for row in lab.service.get("/workers") if row["name"] == name]
    return dict(found)
