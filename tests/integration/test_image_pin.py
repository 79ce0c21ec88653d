"""The pin is enforced: who runs in another image than its token says gets nothing, and is named."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cause_fleet import Fleet, attempts, open_fleet
from tests.integration.conftest import MakeService
from tests.integration.test_tokens import Bearer, listed_worker, make_token
from tests.support.patience import wait_until
from tests.support.protocol_worker import Held
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import Lab

LOCK, FILES, OTHER = "1" * 64, "2" * 64, "3" * 64


class Imaged(Bearer):
    """A worker that says of its image what it is told to say."""

    facts: dict[str, Any]

    def info(self) -> dict[str, Any]:
        return {**super().info(), **self.facts}


@contextlib.contextmanager
def imaged(lab: Lab, token: str | None, **facts: Any) -> Iterator[Imaged]:
    """A worker that says it runs the study's image; its facts are those of `WorkerInfo`."""
    worker = Imaged(lab.service, image=facts.pop("image", lab.image))
    worker.facts = facts
    if token is not None:
        worker.calls_with(token)
    yield worker
    worker.close()


def bound(lab: Lab, **facts: Any) -> str:
    """Return the secret of a token that is bound to the study's image."""
    return make_token(lab.service, "work", image=lab.image, **facts)


def verified(held: Held) -> dict[str, Any]:
    """Return what `config.json` will say of the image."""
    config = held.assignment["config"]
    return {name: config[name] for name in ("image", "lock", "files", "image_verified")}


def assert_named(lab: Lab, worker: Imaged, *texts: str) -> None:
    """Assert that a worker gets nothing, and that list and status say why."""
    # For one who may do everything, and is believed, a trial is made ready.
    with imaged(lab, None) as operator:
        lab.wait(lambda: operator.beat() and lab.trials(), "a trial is ready")
        operator.beat({"state": "stopping"})
    assert worker.beat().is_success
    assert worker.finds_nothing()
    listed = listed_worker(lab, worker.name)
    assert listed["state"] == "out of service"
    assert listed["reason"] == listed["image_problem"]
    for text in texts:
        assert text in listed["reason"], listed["reason"]
    assert worker.beat().json()["reason"] == listed["reason"], "it is told so itself"


@pytest.mark.parametrize(
    ("binds", "says", "level"),
    [
        ({}, {}, "token"),
        ({}, {"lock": LOCK, "files": FILES, "files_built": FILES}, "token"),
        ({"lock": LOCK}, {"lock": LOCK}, "lock"),
        ({"lock": LOCK, "files": FILES}, {"lock": LOCK, "files": FILES}, "files"),
    ],
)
def test_each_trial_says_which_image_ran_it_and_how_far_that_is_proven(
    lab: Lab, binds: dict[str, str], says: dict[str, str], level: str
) -> None:
    lab.submit(budget={"trials": 1})
    with imaged(lab, bound(lab, **binds), **says) as worker:
        held = worker.claim()
        said = verified(held)
        listed = listed_worker(lab, worker.name)
        held.complete(0.5)

    told = {
        "image": lab.image,
        "lock": says.get("lock"),
        "files": says.get("files"),
        "image_verified": level,
    }
    assert said == told
    assert {name: listed[name] for name in said} == told
    (attempt,) = lab.show(held.trial)["attempt_list"]
    assert {name: attempt[name] for name in said} == told, "the database knows it as well"


def test_a_claim_that_is_repeated_is_told_of_the_same_image(lab: Lab) -> None:
    lab.submit()
    with imaged(lab, bound(lab, lock=LOCK), lock=LOCK) as worker:
        held = worker.claim()
        again = worker.try_claim(held.token)

    assert again is not None
    assert again.assignment == held.assignment


def test_what_only_a_worker_says_is_its_word(lab: Lab) -> None:
    lab.submit(budget={"trials": 2})
    free = make_token(lab.service, "work")
    for token in (None, free):
        with imaged(lab, token, lock=LOCK, files=FILES, files_built=FILES) as worker:
            held = worker.claim()
            assert verified(held)["image_verified"] == "stated"
            held.complete(0.5)


@pytest.mark.parametrize(
    ("binds", "says", "text"),
    [
        (
            {"lock": LOCK},
            {"lock": OTHER},
            "bound to an image with lock 111111111111…, and its own has lock 333333333333…",
        ),
        ({"lock": LOCK}, {}, "and its own says none: start it from that image"),
        (
            {"files": FILES},
            {"files": OTHER, "lock": LOCK},
            "bound to an image with files 222222222222…, and its own has files 333333333333…",
        ),
        (
            {},
            {"files": OTHER, "files_built": FILES},
            "was changed after the build (built 222222222222…, now 333333333333…)",
        ),
        ({}, {"image": f"team/train@sha256:{OTHER}"}, "and it says that it runs team/train@sha256"),
    ],
)
def test_a_worker_of_another_image_than_its_tokens_gets_nothing_and_is_named(
    lab: Lab, binds: dict[str, str], says: dict[str, str], text: str
) -> None:
    lab.submit()
    with imaged(lab, bound(lab, **binds), **says) as impostor:
        assert_named(lab, impostor, text)
        if binds.keys() == {"lock"} and says:
            lab.wait(lambda: impostor.name in lab.status()["reason"], "the study's status names it")
            assert text in lab.status()["reason"]

        with imaged(lab, bound(lab, **binds), **binds) as honest:
            assert honest.claim().assignment["study"] == lab.study


def test_an_image_that_was_changed_is_not_believed_on_its_workers_word_either(lab: Lab) -> None:
    lab.submit()
    with imaged(lab, None, files=OTHER, files_built=FILES) as changed:
        assert_named(lab, changed, "was changed after the build", "workers measure --write")


def test_an_image_that_a_token_is_bound_to_is_nobody_elses_word(lab: Lab) -> None:
    lab.submit()
    free = make_token(lab.service, "work")
    digest = lab.image.partition("@")[2]
    name = f"t{secrets.token_hex(6)}"
    body = {"name": name, "scopes": ["work"], "image": digest}
    lab.service.post("/tokens", body)
    with imaged(lab, free) as impostor, imaged(lab, None) as operator:
        assert_named(lab, impostor, "only a worker that calls with such a token is believed")
        assert operator.claim().complete(0.5).is_success, "who may do everything need not lie"

        assert lab.service.call("DELETE", f"/tokens/{name}").is_success
        assert impostor.claim().complete(0.5).is_success, "no token is bound to it any more"


def test_a_worker_that_becomes_an_impostor_keeps_what_it_runs_and_gets_no_more(lab: Lab) -> None:
    lab.submit()
    with imaged(lab, bound(lab, lock=LOCK), lock=LOCK) as worker:
        held = worker.claim()
        worker.facts["lock"] = OTHER
        assert held.report(1, 0.25).json()["order"] == "continue"
        assert held.complete(0.5).is_success
        assert worker.finds_nothing()


def test_what_a_worker_says_of_its_image_has_bounds(lab: Lab) -> None:
    for says, text in (
        ({"lock": "abc"}, "worker.lock: 'abc': must be the 64 hexadecimal digits"),
        ({"files": "A" * 64}, "worker.files"),
        ({"files_built": "b" * 65}, "worker.files_built"),
        ({"process": "xyz"}, "worker.process: 'xyz': must be 32 hexadecimal digits"),
        ({"keeper": "1" * 31}, "worker.keeper"),
    ):
        with imaged(lab, None, **says) as worker:
            answer = worker.beat()
            assert answer.status_code == 422
            assert text in answer.json()["detail"]


def test_the_token_that_a_server_has_for_its_workers_is_bound_as_well(
    make_service: MakeService,
) -> None:
    digest = f"sha256:{secrets.token_hex(32)}"
    settings = {
        "worker_token": "workers-token-9d1f",
        "worker_image": f"team/train@{digest}",
        "worker_lock": LOCK,
    }
    with make_service("sqlite", settings=settings) as service:
        lab = Lab(service)
        lab.image = settings["worker_image"]
        lab.submit()
        free = make_token(service, "work")
        with (
            imaged(lab, settings["worker_token"], lock=LOCK) as worker,
            imaged(lab, settings["worker_token"], lock=OTHER) as changed,
            imaged(lab, free) as stranger,
        ):
            assert_named(lab, changed, "with lock 111111111111…")
            assert_named(lab, stranger, "only a worker that calls with such a token")
            assert verified(worker.claim())["image_verified"] == "lock"
        lab.close()


PROCESS, SECOND, KEEPER = "a" * 32, "b" * 32, "c" * 32


def test_a_name_that_two_processes_share_is_refused_to_the_second(lab: Lab) -> None:
    lab.submit()
    with (
        imaged(lab, None, process=PROCESS) as first,
        imaged(lab, None, process=SECOND) as second,
    ):
        second.name = first.name
        held = first.claim()
        for answer in (second.beat(), second.post("/claim", second.claim_body())):
            assert answer.status_code == 409
            assert f"a worker {first.name} already exists" in answer.json()["detail"]
            assert "give this one another --name" in answer.json()["detail"]
        assert held.beat().json()["order"] == "continue", "what the first one runs was not ended"

        held.complete(0.5)
        assert first.beat({"state": "stopping"}).is_success
        assert second.claim().complete(0.5).is_success, "the first has left"


def test_the_next_process_of_a_supervisor_has_its_name_at_once(lab: Lab) -> None:
    lab.submit(trial={"retries": 2})
    with (
        imaged(lab, None, process=PROCESS, keeper=KEEPER) as first,
        imaged(lab, None, process=SECOND, keeper=KEEPER) as second,
    ):
        second.name = first.name
        held = first.claim()
        # Of the same host and number: in containers both may be so.
        assert second.claim().assignment["trial"] == held.trial, "the first has died with it"


def test_a_silent_process_loses_its_name(make_service: MakeService) -> None:
    with make_service("sqlite", lease_s=3.0) as service:
        lab = Lab(service)
        lab.submit()
        with (
            imaged(lab, None, process=PROCESS) as first,
            imaged(lab, None, process=SECOND) as second,
        ):
            second.name = first.name
            first.beat()
            assert second.beat().status_code == 409
            lab.wait(lambda: second.beat().is_success, "the first is not heard of any more")
            assert first.beat().status_code == 409, "now it is the second's"
        lab.close()


@pytest.fixture
def own_fleet(own_service: ServiceProcess) -> Iterator[Fleet]:
    with open_fleet(own_service) as fleet:
        yield fleet


@pytest.mark.slow  # Two workers measure what is installed here, 34 000 files with TensorFlow: 6 s.
def test_a_real_worker_of_a_changed_image_runs_nothing_and_the_others_run_all(
    own_fleet: Fleet, tmp_path: Path
) -> None:
    token = make_token(own_fleet.service, "work", image=own_fleet.image, lock=LOCK)
    facts = {name: tmp_path / f"{name}.json" for name in ("true", "false")}
    facts["true"].write_text(json.dumps({"lock": LOCK}))
    facts["false"].write_text(json.dumps({"lock": OTHER}))
    # The impostor says the image that the study wants, as anybody can.
    impostor = own_fleet.start("impostor", TUNER_TOKEN=token, TUNER_IMAGE_FACTS=str(facts["false"]))
    name = own_fleet.name_of(impostor)
    lab = own_fleet.submit("good", "good", "good")
    wait_until(
        lambda: name in lab.status()["reason"], "the study waits and says for what", seconds=30
    )
    assert own_fleet.known()[name]["state"] == "out of service"
    assert lab.status()["counts"]["complete"] == 0

    honest = own_fleet.start("honest", TUNER_TOKEN=token, TUNER_IMAGE_FACTS=str(facts["true"]))
    assert lab.wait_closed()["counts"]["complete"] == 3
    ran = {attempts(lab, number)[0]["worker"] for number in range(3)}
    assert ran == {own_fleet.name_of(honest)}
    run_dir = attempts(lab)[0]["run_dir"]
    config = json.loads((own_fleet.service.log_root / run_dir / "config.json").read_text())
    told = config["image"], config["lock"], config["image_verified"], len(config["files"])
    assert told == (own_fleet.image, LOCK, "lock", 64)


def test_workers_of_one_name_are_one_worker_and_a_sentence(own_fleet: Fleet) -> None:
    first = own_fleet.start("twin")
    name = own_fleet.name_of(first)
    second = own_fleet.launch("other", f"--name={name}")
    second.wait_log("worker not let in")
    said = second.wait_log("worker not let in")["reason"]

    assert f"a worker {name} already exists" in said
    second.terminate()
    assert second.wait() == 0
