"""Studies whose trials no worker executes: claims that name one study, on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.conftest import MakeService
from tests.support.protocol_worker import ProtocolWorker
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import COUNTS, Lab


@dataclass
class Client(ProtocolWorker):
    """A process that claims the trials of one study alone."""

    study: str = ""

    def claim_body(self, token: str | None = None, wait_s: float = 0.0) -> dict[str, Any]:
        return {**super().claim_body(token, wait_s), "study": self.study}


class ExternalLab(Lab):
    """A study that is executed elsewhere; `claim` is by a client of it."""

    def spec(self, **changes: Any) -> dict[str, Any]:
        spec = super().spec(**{"objective": "external", **changes})
        if spec["objective"] == "external":
            del spec["image"]
        return spec

    def client(self, study: str = "", **facts: Any) -> Client:
        client = Client(self.service, study=study or self.study, **facts)
        self.workers.append(client)
        return client


@pytest.fixture
def external(service: ServiceProcess) -> Iterator[ExternalLab]:
    lab = ExternalLab(service)
    yield lab
    lab.close()


def test_an_external_study_is_executed_by_clients_that_name_it(external: ExternalLab) -> None:
    external.submit(budget={"trials": 2})
    client = external.client()

    done = external.run(client, lambda held: held.params["x"])

    assert [held.trial for held in done] == [0, 1]
    assert done[0].assignment["objective"] == "external"
    assert external.status()["state"] == "finished"


def test_no_worker_gets_a_trial_of_an_external_study(external: ExternalLab) -> None:
    external.submit()
    client = external.client()
    held = client.claim()
    worker = ProtocolWorker(external.service)
    external.workers.append(worker)

    assert held.fail("preempted").status_code == 200
    external.wait(lambda: len(external.attempts(held.trial)) == 2, "the trial is ready again")

    assert worker.finds_nothing()
    assert client.claim().trial == held.trial


def test_a_client_gets_nothing_of_other_studies(external: ExternalLab) -> None:
    other = ExternalLab(external.service)
    other.submit()
    external.submit(budget={"trials": 1})
    client = external.client()
    assert client.claim().complete(1.0).status_code == 200

    assert client.finds_nothing()
    # Neither is anything proposed for it.
    assert other.status()["counts"] == COUNTS
    held = other.client().claim()
    assert held.fail("preempted").status_code == 200
    other.wait(lambda: len(other.attempts(held.trial)) == 2, "the trial is ready again")
    assert client.finds_nothing()
    other.close()


def test_nothing_is_proposed_for_workers_because_a_client_is_idle(
    make_service: MakeService,
) -> None:
    with make_service("sqlite") as service:
        lab, ordinary = ExternalLab(service), Lab(service)
        client = lab.client()
        assert client.try_claim() is None
        ordinary.submit(image=None)

        status = ordinary.wait(
            lambda: ordinary.status()["reason"] and ordinary.status(), "a reason", timeout_s=60
        )

        assert "no cpu worker is there" in status["reason"]
        assert status["counts"] == COUNTS
        lab.close()


def test_the_list_of_workers_says_which_study_a_client_executes(external: ExternalLab) -> None:
    external.submit()
    client = external.client()
    client.claim()

    (row,) = [w for w in external.service.get("/workers") if w["name"] == client.name]

    assert (row["device"], row["image"]) == ("external", external.study)
    assert (row["state"], row["trial"]) == ("busy", 0)


def test_two_clients_share_a_study_without_repeating_a_trial(external: ExternalLab) -> None:
    external.submit(budget={"trials": 4})
    first, second = external.client(), external.client()

    held = [first.claim(), second.claim()]
    for one in held:
        assert one.complete(one.params["x"]).status_code == 200
    rest = external.run(first, lambda one: one.params["x"])

    assert sorted(one.trial for one in [*held, *rest]) == [0, 1, 2, 3]


def test_the_trial_of_a_silent_client_is_taken_by_another_with_the_same_parameters(
    make_service: MakeService,
) -> None:
    with make_service("sqlite", lease_s=3.0) as service:
        lab = ExternalLab(service)
        lab.submit(budget={"trials": 1})
        lost = lab.client().claim()
        lab.wait_lost(lost)

        taken = lab.client().claim()

        assert (taken.trial, taken.params) == (lost.trial, lost.params)
        assert taken.assignment["attempt_no"] == 2
        assert taken.complete(0.5).status_code == 200
        lab.wait_closed()
        assert lab.attempts(0) == [("lost", "lost"), ("done", None)]
        lab.close()


def test_a_study_without_clients_says_what_it_waits_for(external: ExternalLab) -> None:
    external.submit()

    status = external.wait(
        lambda: external.status()["reason"] and external.status(), "a reason", timeout_s=60
    )

    assert "start the script" in status["reason"]


def test_a_claim_whose_study_is_no_name_is_refused(external: ExternalLab) -> None:
    response = external.client(study="Vision").post("/claim", external.client("x").claim_body())

    assert response.status_code == 422
    assert "project/study" in response.json()["detail"]


def test_the_client_of_an_old_release_is_not_sent_away(external: ExternalLab) -> None:
    external.submit()
    client = external.client()
    body = client.claim_body()
    body["worker"]["release"] = "0.0.1"

    assert client.post("/claim", body | {"wait_s": 5.0}).status_code == 200
