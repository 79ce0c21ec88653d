"""A study that wants a GPU is run by no worker that sees none: not by server, worker or trial."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from tests.integration.cause_fleet import Fleet, wait_attempt
from tests.integration.conftest import Start
from tests.integration.workers_peer import Peer
from tests.integration.workers_process import HERE, ROOT, Started
from tests.support.needed import needs
from tests.support.patience import wait_until
from tests.support.study_lab import Lab
from tests.support.training.gpu_library import make_gpu_library

GPU = "GPU-5fa1"


def path_of(library: Path) -> str:
    return os.pathsep.join([str(library), str(ROOT), str(HERE)])


def test_the_server_gives_no_gpu_trial_to_a_worker_of_the_processor(lab: Lab) -> None:
    lab.submit(trial={"gpus": 1})
    blind, seeing = lab.worker("blind"), lab.worker("seeing", device="gpu", device_ids=[GPU])
    lab.wait(lambda: seeing.beat() and lab.trials(), "a trial is ready")

    assert blind.finds_nothing()
    assert seeing.claim().assignment["devices"] == 1


def test_a_worker_that_says_gpu_and_names_none_is_refused(lab: Lab) -> None:
    worker = lab.worker("liar", device="gpu")
    body = {"state": "idle", "worker": {**worker.info(), "process": secrets.token_hex(16)}}

    answer = worker.post("/beat", body)

    assert answer.status_code == 422
    assert "worker.device_ids: none" in answer.json()["detail"]


def test_a_worker_of_the_processor_runs_no_gpu_trial_whoever_gives_it_one(
    peer: Peer, start: Start
) -> None:
    worker = start("--isolation=fork")
    finish = peer.wait_finish(peer.offer("workers_trials:noop", devices=1))

    assert (finish["outcome"], finish["cause"]) == ("failed", "rejected")
    assert finish["error"] == "the trial needs 1 GPU, and this worker owns none"
    assert not (worker.run_dir() / "config.json").exists(), "nothing was begun"


def test_a_gpu_that_vanishes_between_two_trials_takes_its_worker_out(
    fleet: Fleet, tmp_path: Path
) -> None:
    library = make_gpu_library(tmp_path / "library", [GPU])
    worker = fleet.start("gpu", f"--device=gpu:{GPU}", PYTHONPATH=path_of(library))
    name = fleet.name_of(worker)
    first = fleet.submit("good", trial={"gpus": 1})
    assert first.wait_closed()["counts"]["complete"] == 1

    (library / GPU).touch()
    second = fleet.submit("good", trial={"gpus": 1, "retries": 9})
    rejected = wait_attempt(second, 1, "rejected")
    assert f"GPU '{GPU}' does not answer: GPU is lost" in rejected["error"]
    wait_until(
        lambda: fleet.known()[name]["state"] == "out of service", "it stays in service", seconds=30
    )
    assert second.status()["counts"]["complete"] == 0

    (library / GPU).unlink()
    assert second.wait_closed()["counts"]["complete"] == 1, "it came back with its GPU"


@pytest.mark.slow  # Imports TensorFlow: 5 s.
@needs("keras", "tensorflow")
def test_keras_does_not_train_on_the_processor_in_the_place_of_a_gpu(
    peer: Peer, tmp_path: Path
) -> None:
    library = make_gpu_library(tmp_path / "library", [GPU])
    worker = Started(
        ["run", "--name=w1", f"--device=gpu:{GPU}"],
        tmp_path / "home",
        peer,
        PYTHONPATH=path_of(library),
        TF_CPP_MIN_LOG_LEVEL="2",
    )
    try:
        metrics = [{"name": "val_accuracy", "goal": "maximize"}]
        offer = peer.offer("workers_keras_trials:train", devices=1, metrics=metrics)
        finish = peer.wait_finish(offer, 90)
    finally:
        worker.close()

    assert (finish["outcome"], finish["cause"]) == ("failed", "rejected")
    assert f"the trial owns 1 GPU ({GPU}), and TensorFlow finds none here" in finish["error"]
