"""The Keras callback and the fork guard with a real TensorFlow, in real workers."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.workers_peer import Peer, wait_until
from tests.integration.workers_process import HERE, ROOT, Started
from tuner.tfevents import read_run

pytest.importorskip("keras", reason="needs keras and tensorflow")

METRICS = [{"name": "val_accuracy", "goal": "maximize"}]


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def worker(peer: Peer, home: Path) -> Iterator[Started]:
    worker = Started(["run", "--name=w1"], home, peer)
    yield worker
    worker.close()


def offer(peer: Peer, objective: str, attempt: str = "s1-t0-a1", **fields: Any) -> None:
    peer.offer(f"workers_keras_trials:{objective}", attempt=attempt, metrics=METRICS, **fields)


def read_output(worker: Started, name: str, attempt_no: int = 1, trial: int = 0) -> Any:
    text = (worker.run_dir(attempt_no, trial) / "output.log").read_text()
    found = re.search(rf"^{name} (.*)$", text, re.MULTILINE)
    assert found, text
    return ast.literal_eval(found[1])


def test_each_epoch_is_reported_and_the_best_one_is_the_result(peer: Peer, worker: Started) -> None:
    offer(peer, "train", params={"epochs": 6})
    finish = peer.wait_finish("s1-t0-a1", 90)
    wait_until(lambda: (worker.run_dir() / "trial.json").exists(), 5, "no trial.json")

    assert finish["outcome"] == "complete", finish["error"]
    points = peer.reports["s1-t0-a1"] + finish["points"]
    assert [point["step"] for point in points] == [1, 2, 3, 4, 5, 6]
    assert finish["values"] == [max(point["value"] for point in points)]
    assert set(points[0]["metrics"]) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    scalars = read_run(worker.run_dir())["scalars"]
    assert set(scalars) == {"accuracy", "loss", "val_accuracy", "val_loss", "objective"}
    started = worker.wait_log("trial started")
    assert started["fork"] is True, "TensorFlow was imported, and no operation run"
    assert not list((worker.home / "checkpoints").rglob("*.h5")), "none was due"


def test_a_pruned_training_stops_after_its_epoch(peer: Peer, worker: Started) -> None:
    offer(peer, "train", params={"epochs": 200, "sleep": 0.05})
    wait_until(lambda: peer.reports["s1-t0-a1"], 90, "no report")
    peer.orders["s1-t0-a1"] = "prune"
    finish = peer.wait_finish("s1-t0-a1", 10)

    assert (finish["outcome"], finish["values"]) == ("pruned", [])
    assert len(read_output(worker, "EPOCHS")) < 100, "the function went on to its end"


def test_a_preempted_training_continues_exactly_where_it_stood(
    peer: Peer, worker: Started, home: Path
) -> None:
    offer(peer, "train", "s1-t1-a1", params={"epochs": 30})
    peer.wait_finish("s1-t1-a1", 90)
    wanted = read_output(worker, "LOSSES", trial=1)
    offer(peer, "train", params={"epochs": 30, "sleep": 0.1})
    wait_until(lambda: len(peer.reports["s1-t0-a1"]) >= 5, 60, "no report")
    worker.terminate()
    finish = peer.wait_finish("s1-t0-a1", 10)
    assert (finish["cause"], worker.wait(10)) == ("preempted", 0)
    curve = peer.reports["s1-t0-a1"] + finish["points"]
    stopped = curve[-1]["step"]
    assert 5 <= stopped < 30
    assert [p.name for p in (home / "checkpoints").rglob("*.h5")] == [
        f"epoch-{stopped:05d}.weights.h5"
    ]

    offer(peer, "train", "s1-t0-a2", params={"epochs": 30}, curve=curve)
    second = Started(["run", "--name=w2"], home, peer)
    try:
        finish = peer.wait_finish("s1-t0-a2", 90)
        wait_until(lambda: (second.run_dir(2) / "trial.json").exists(), 5, "no trial.json")
    finally:
        second.close()

    points = peer.reports["s1-t0-a2"] + finish["points"]
    assert [point["step"] for point in points] == list(range(stopped + 1, 31))
    assert read_output(second, "EPOCHS", 2) == list(range(30))
    assert read_output(second, "ITERATIONS", 2) == 30 * 4, "the optimizer's state came along"
    assert read_output(second, "LOSSES", 2) == pytest.approx(wanted, rel=1e-4)
    curve_steps = [point[0] for point in read_run(second.run_dir(2))["scalars"]["loss"]]
    assert curve_steps == list(range(1, 31))


def test_a_finished_training_that_was_killed_later_returns_its_whole_history(
    peer: Peer, worker: Started
) -> None:
    offer(peer, "train", params={"epochs": 4, "every_s": 0.0})
    first = peer.wait_finish("s1-t0-a1", 90)
    curve = peer.reports["s1-t0-a1"] + first["points"]
    files = sorted(p.name for p in (worker.home / "checkpoints").rglob("*"))
    assert files[1:] == [
        "epoch-00003.weights.h5",
        "epoch-00004.weights.h5",
        "trial_00000",
        "vision",
    ]
    offer(peer, "train", "s1-t0-a2", params={"epochs": 4}, curve=curve)
    second = peer.wait_finish("s1-t0-a2", 60)

    assert second["outcome"] == "complete", second["error"]
    assert second["values"] == first["values"]
    assert read_output(worker, "EPOCHS", 2) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("objective", "cause", "text"),
    [
        ("train_wrong_metric", "error", "no metric 'val_acuracy'; it logged: accuracy, loss"),
        ("train_diverging", "diverged", "diverged in epoch 1: loss is nan"),
        ("exhaust", "oom", "OOM when allocating"),
    ],
)
def test_bad_trainings_say_why(
    peer: Peer, worker: Started, objective: str, cause: str, text: str
) -> None:
    offer(peer, objective)
    finish = peer.wait_finish("s1-t0-a1", 90)

    assert (finish["outcome"], finish["cause"]) == ("failed", cause)
    assert text in finish["error"]


def test_strict_reproducibility_repeats_bit_for_bit(peer: Peer, worker: Started) -> None:
    for number in (0, 1):
        offer(peer, "train", f"s1-t{number}-a1", reproducibility="strict")
    for number in (0, 1):
        assert peer.wait_finish(f"s1-t{number}-a1", 90)["outcome"] == "complete"

    assert read_output(worker, "LOSSES") == read_output(worker, "LOSSES", trial=1)


GUARD = """
import sys, tempfile, time
from pathlib import Path
from workers.guard import ForkGuard, preimport_tensorflow
assert preimport_tensorflow()
guard = ForkGuard()
print("before", guard.may_fork())
import tensorflow as tf
tf.constant(1.0) + 1
print("after", guard.may_fork())
from workers.task import Task
from workers.trial_process import start_process, wait_for_end
root = tempfile.mkdtemp()
task = Task(objective="workers_keras_trials:train", params={"epochs": 2}, seed=1, trial=0,
    attempt_no=1, metrics=[{"name": "val_accuracy", "goal": "maximize"}], reproducibility="seeded",
    code_root=None, log_root=root, checkpoint_root=root, run_dir=root, checkpoint_dir=root)
process = start_process(task, fork=guard.may_fork(), forget=lambda: None)
assert wait_for_end(process, time.monotonic() + 60)
print("end", [m["outcome"] for m in process.messages() if m["kind"] == "end"])
process.close()
"""


def test_a_process_that_ran_an_operation_is_not_forked_any_more(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, "-c", GUARD],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout.splitlines() == ["before True", "after False", "end ['complete']"], (
        done.stderr
    )
