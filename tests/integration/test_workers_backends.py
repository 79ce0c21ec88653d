"""Keras on TensorFlow, JAX and PyTorch, in real workers: the same trials on each.

TensorFlow belongs to the ordinary run, JAX and PyTorch to the slow one.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.workers_peer import Peer
from tests.integration.workers_process import HERE, ROOT, Started
from tests.support.archives import make_archive
from tests.support.patience import wait_until
from tests.support.training.backend_interpreters import interpreter
from tuner.roots import Place
from tuner.tfevents import read_run

#: Loaded by every interpreter at its start. In a fork server it computes once that is ready.
COMPUTES = """
import gc, pathlib, sys, threading, time

def compute():
    while not gc.get_freeze_count():
        time.sleep(0.01)
    import keras, numpy
    keras.ops.matmul(numpy.ones((500, 500), "float32"), numpy.ones((500, 500), "float32"))
    pathlib.Path("computed").touch()
    # Its threads are those of before, and this one.
    time.sleep(3600)

if "workers.trial.fork_server" in sys.orig_argv:
    threading.Thread(target=compute, daemon=True).start()
"""
METRICS = [{"name": "val_accuracy", "goal": "maximize"}]
BACKENDS = [
    "tensorflow",
    pytest.param("jax", marks=pytest.mark.slow),
    pytest.param("torch", marks=pytest.mark.slow),
]


class Bench:
    """A worker of one backend, and the peer that it works for."""

    def __init__(self, backend: str, home: Path) -> None:
        python = str(interpreter(backend))
        self.backend = backend
        self.python = python
        self.peer = Peer()
        self.worker = Started(
            ["run", "--name=w1"],
            home,
            self.peer,
            python=python,
            KERAS_BACKEND=backend,
            TF_CPP_MIN_LOG_LEVEL="2",
        )

    def offer(self, attempt: str, **fields: Any) -> str:
        fields = {"metrics": METRICS, **fields}
        return self.peer.offer("backends_trials:train", attempt=attempt, **fields)

    def run(self, attempt: str, **fields: Any) -> dict[str, Any]:
        finish = self.peer.wait_finish(self.offer(attempt, **fields), 120)
        wait_until(
            lambda: (self.folder(attempt) / "trial.json").exists(), "no trial.json", seconds=5
        )
        return finish

    def folder(self, attempt: str) -> Path:
        trial, no = attempt.removeprefix("s1-t").split("-a")
        return self.worker.run_dir(int(no), int(trial))

    def said(self, attempt: str, name: str) -> Any:
        text = (self.folder(attempt) / "output.log").read_text()
        found = re.search(rf"^{name} (.*)$", text, re.MULTILINE)
        assert found, text
        return ast.literal_eval(found[1])

    def config(self, attempt: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder(attempt) / "config.json").read_text())
        return document

    def close(self) -> None:
        self.worker.close()
        self.peer.close()


@pytest.fixture(scope="module", params=BACKENDS)
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    bench = Bench(request.param, tmp_path_factory.mktemp(request.param))
    yield bench
    bench.close()


def test_a_study_looks_the_same_on_every_backend(bench: Bench) -> None:
    finish = bench.run("s1-t1-a1")

    assert finish["outcome"] == "complete", finish["error"]
    points = bench.peer.reports["s1-t1-a1"] + finish["points"]
    assert [point["step"] for point in points] == [1, 2, 3, 4, 5, 6]
    assert set(points[0]["metrics"]) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    assert finish["values"] == [max(point["value"] for point in points)]
    run = read_run(Place(bench.folder("s1-t1-a1")))
    assert set(run["scalars"]) == {"accuracy", "loss", "val_accuracy", "val_loss", "objective"}
    assert run["hparams"] == {"x": 0.5, "layers": 2.0}
    assert bench.said("s1-t1-a1", "BACKEND") == bench.backend
    config = bench.config("s1-t1-a1")
    assert config["backend"] == {"name": bench.backend, "source": "environment"}
    assert config["versions"]["keras"]
    assert config["versions"][bench.backend]
    assert bench.worker.wait_log("trial started")["fork"] is True


def test_a_trial_that_died_goes_on_to_the_very_same_weights(bench: Bench) -> None:
    bench.run("s1-t2-a1", params={"epochs": 6})
    died = bench.run("s1-t3-a1", params={"epochs": 6, "dies": 4})
    again = bench.run(
        "s1-t3-a2", params={"epochs": 6, "dies": 4}, curve=bench.peer.reports["s1-t3-a1"]
    )

    assert (died["cause"], died["exit_status"]) == ("error", 3)
    assert again["outcome"] == "complete", again["error"]
    known = len(bench.peer.reports["s1-t3-a1"])
    points = bench.peer.reports["s1-t3-a2"] + again["points"]
    assert points[0]["step"] == known + 1
    assert points[-1]["step"] == 6
    for name in ("ENDS", "LOSSES", "ITERATIONS"):
        assert bench.said("s1-t3-a2", name) == bench.said("s1-t2-a1", name), name


@pytest.mark.slow
def test_an_unchanged_hypermodel_tells_its_parameters_on_every_backend(bench: Bench) -> None:
    finish = bench.peer.wait_finish(
        bench.peer.offer(
            "hypermodel:backends_trials:build_model",
            loader="backends_trials:data",
            attempt="s1-t10-a1",
            metrics=METRICS,
            params={},
        ),
        120,
    )

    assert finish["outcome"] == "complete", finish["error"]
    found = bench.peer.found["s1-t10-a1"] + finish["found"]
    assert [(item["name"], item["value"]) for item in found] == [("units", 8), ("rate", 0.05)]
    run = read_run(Place(bench.folder("s1-t10-a1")))
    assert run["scalars"]["val_accuracy"]
    assert bench.said("s1-t10-a1", "BACKEND") == bench.backend


@pytest.mark.slow
def test_a_seed_decides_the_weights_that_a_training_begins_with(bench: Bench) -> None:
    for attempt, seed in (("s1-t4-a1", 7), ("s1-t5-a1", 7), ("s1-t6-a1", 8)):
        bench.run(attempt, seed=seed, params={"epochs": 1})

    first, again, other = (bench.said(f"s1-t{n}-a1", "BEGINS") for n in (4, 5, 6))
    assert first == again
    assert first != other


@pytest.mark.slow
def test_strict_trainings_end_in_the_same_bits(bench: Bench) -> None:
    for attempt in ("s1-t7-a1", "s1-t8-a1"):
        fields = {"reproducibility": "strict", "params": {"epochs": 2, "shuffle": True}}
        finish = bench.run(attempt, **fields)
        assert finish["outcome"] == "complete", finish["error"]

    assert bench.said("s1-t7-a1", "ENDS") == bench.said("s1-t8-a1", "ENDS")


def test_a_backend_that_is_missing_is_named_with_what_to_type(bench: Bench) -> None:
    asked = "torch" if bench.backend != "torch" else "jax"
    code = bench.peer.send_code(
        make_archive({"own.py": f'import os\nos.environ["KERAS_BACKEND"] = "{asked}"\n'})
    )
    by_code = bench.peer.offer("own:train", attempt="s1-t9-a1", code=code, metrics=METRICS)
    finish = bench.peer.wait_finish(by_code, 60)
    started = bench.worker.wait_log("fresh interpreter for another backend of Keras")

    assert started["wants"] == {"name": asked, "source": "code"}
    if "not installed" in finish["error"]:
        assert finish["error"].startswith(f"KERAS_BACKEND in the study's code is '{asked}'")
        assert finish["error"].endswith(f"pip install {asked}")
    else:
        assert "own has no 'train'" in finish["error"]


@pytest.mark.slow
def test_a_fork_server_that_ran_an_operation_is_not_forked_any_more(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(COMPUTES)
    peer = Peer()
    worker = Started(
        ["run", "--name=w2"],
        tmp_path / "home",
        peer,
        python=bench.python,
        PYTHONPATH=os.pathsep.join(map(str, (tmp_path, ROOT, HERE))),
        KERAS_BACKEND=bench.backend,
        # PyTorch computes in one thread where it is given one, and then nothing hangs.
        OMP_NUM_THREADS="2",
    )
    try:
        wait_until(lambda: (tmp_path / "home/computed").exists(), "no operation", seconds=120)
        finish = peer.wait_finish(peer.offer("backends_trials:train", metrics=METRICS), 120)

        assert finish["outcome"] == "complete", finish["error"]
        assert worker.wait_log("trial started")["fork"] is False
        assert worker.wait_log("no fork server: trials get a fresh interpreter")["reason"]
    finally:
        worker.close()
        peer.close()
