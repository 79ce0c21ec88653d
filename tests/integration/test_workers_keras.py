"""The Keras callback and the fork guard with a real TensorFlow, in real workers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.workers_peer import Peer
from tests.integration.workers_process import Started
from tests.support.needed import needs
from tests.support.patience import wait_until
from tuner.roots import Place
from tuner.tfevents import read_run

pytestmark = [pytest.mark.slow, needs("keras", "tensorflow")]

METRICS = [{"name": "val_accuracy", "goal": "maximize"}]


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keras")


@pytest.fixture(scope="module")
def worker(peer: Peer, home: Path) -> Iterator[Started]:
    """One worker for all tests: importing TensorFlow takes longer than any of them."""
    worker = Started(["run", "--name=w1"], home, peer, TF_CPP_MIN_LOG_LEVEL="2")
    yield worker
    worker.close()


def offer(peer: Peer, objective: str, attempt: str, **fields: Any) -> str:
    return peer.offer(
        f"workers_keras_trials:{objective}", attempt=attempt, metrics=METRICS, **fields
    )


def run_dir(worker: Started, attempt: str) -> Path:
    trial, no = attempt.removeprefix("s1-t").split("-a")
    return worker.run_dir(int(no), int(trial))


def read_output(worker: Started, attempt: str, name: str) -> Any:
    text = (run_dir(worker, attempt) / "output.log").read_text()
    found = re.search(rf"^{name} (.*)$", text, re.MULTILINE)
    assert found, text
    return ast.literal_eval(found[1])


def test_each_epoch_is_reported_and_the_best_one_is_the_result(peer: Peer, worker: Started) -> None:
    attempt = offer(peer, "train", "s1-t10-a1", params={"epochs": 6})
    finish = peer.wait_finish(attempt, 120)
    folder = run_dir(worker, attempt)
    wait_until(lambda: (folder / "trial.json").exists(), "no trial.json", seconds=5)

    assert finish["outcome"] == "complete", finish["error"]
    points = peer.reports[attempt] + finish["points"]
    assert [point["step"] for point in points] == [1, 2, 3, 4, 5, 6]
    assert finish["values"] == [max(point["value"] for point in points)]
    assert set(points[0]["metrics"]) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    scalars = read_run(Place(folder))["scalars"]
    assert set(scalars) == {"accuracy", "loss", "val_accuracy", "val_loss", "objective"}
    started = worker.wait_log("trial started")
    assert started["fork"] is True, "TensorFlow was imported, and no operation run"
    checkpoints = worker.home / "checkpoints/vision/digits/trial_00010"
    assert not checkpoints.exists(), "none was due"


def test_a_pruned_training_stops_and_its_function_goes_on_to_the_end(
    peer: Peer, worker: Started
) -> None:
    attempt = offer(peer, "train", "s1-t20-a1", params={"epochs": 2000, "sleep": 0.05})
    wait_until(lambda: peer.reports[attempt], "no report", seconds=120)
    peer.orders[attempt] = "prune"
    finish = peer.wait_finish(attempt, 20)

    assert (finish["outcome"], finish["values"]) == ("pruned", [])
    assert len(read_output(worker, attempt, "EPOCHS")) < 1000


def test_a_preempted_training_continues_exactly_where_it_stood(
    peer: Peer, worker: Started, home: Path, tmp_path: Path
) -> None:
    undisturbed = offer(peer, "train", "s1-t30-a1", params={"epochs": 30})
    peer.wait_finish(undisturbed, 120)
    other = Peer()
    leaver = Started(
        ["run", "--name=w2"], tmp_path, other, TUNER_CHECKPOINT_ROOT=str(home / "checkpoints")
    )
    first = offer(other, "train", "s1-t31-a1", params={"epochs": 30, "sleep": 0.2})
    wait_until(lambda: len(other.reports[first]) >= 5, "no report", seconds=120)
    leaver.terminate()
    finish = other.wait_finish(first, 20)
    assert leaver.wait(10) == 0
    other.close()
    assert finish["cause"] == "preempted"
    curve = other.reports[first] + finish["points"]
    stopped = curve[-1]["step"]
    assert 5 <= stopped < 30
    folder = home / "checkpoints/vision/digits/trial_00031"
    names = sorted(p.name for p in folder.iterdir())
    assert names == [f"epoch-{stopped:05d}.curve.json", f"epoch-{stopped:05d}.weights.h5"]

    second = offer(peer, "train", "s1-t31-a2", params={"epochs": 30}, curve=curve)
    finish = peer.wait_finish(second, 120)
    wait_until(
        lambda: (run_dir(worker, second) / "trial.json").exists(), "no trial.json", seconds=5
    )

    points = peer.reports[second] + finish["points"]
    assert [point["step"] for point in points] == list(range(stopped + 1, 31))
    assert read_output(worker, second, "EPOCHS") == list(range(30))
    assert read_output(worker, second, "ITERATIONS") == 30 * 4, "the optimizer's state came along"
    wanted = read_output(worker, undisturbed, "LOSSES")
    assert read_output(worker, second, "LOSSES") == pytest.approx(wanted, rel=1e-4)
    steps = [point[0] for point in read_run(Place(run_dir(worker, second)))["scalars"]["loss"]]
    assert steps == list(range(1, 31))


def test_a_training_that_had_ended_returns_its_whole_history_again(
    peer: Peer, worker: Started
) -> None:
    attempt = offer(peer, "train", "s1-t40-a1", params={"epochs": 4, "every_s": 0.0})
    first = peer.wait_finish(attempt, 120)
    curve = peer.reports[attempt] + first["points"]
    folder = worker.home / "checkpoints/vision/digits/trial_00040"
    files = sorted(path.name for path in folder.glob("*.h5"))
    assert files == ["epoch-00003.weights.h5", "epoch-00004.weights.h5"]
    again = offer(peer, "train", "s1-t40-a2", params={"epochs": 4}, curve=curve)
    second = peer.wait_finish(again, 60)

    assert second["outcome"] == "complete", second["error"]
    assert second["values"] == first["values"]
    assert read_output(worker, again, "EPOCHS") == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("number", "objective", "cause", "text"),
    [
        (51, "train_wrong_metric", "error", "no metric 'val_acuracy'; it logged: accuracy, loss"),
        (52, "train_diverging", "diverged", "the training diverged in epoch"),
        (53, "exhaust", "oom", "OOM when allocating"),
    ],
)
def test_bad_trainings_say_why(
    peer: Peer, worker: Started, number: int, objective: str, cause: str, text: str
) -> None:
    attempt = offer(peer, objective, f"s1-t{number}-a1")
    finish = peer.wait_finish(attempt, 120)

    assert (finish["outcome"], finish["cause"]) == ("failed", cause)
    assert text in finish["error"]


def test_strict_reproducibility_repeats_bit_for_bit(peer: Peer, worker: Started) -> None:
    attempts = [offer(peer, "train", f"s1-t{n}-a1", reproducibility="strict") for n in (60, 61)]
    for attempt in attempts:
        assert peer.wait_finish(attempt, 120)["outcome"] == "complete"

    first, second = (read_output(worker, attempt, "LOSSES") for attempt in attempts)
    assert first == second
