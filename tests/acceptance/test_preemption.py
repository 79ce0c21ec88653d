"""A real Keras training whose workers are taken away every few seconds: one trial, one curve.

Two workers serve a real server; the one that trains is ended again and again, and another takes its
place. This file takes about a minute, most of it the training itself.
"""

from __future__ import annotations

import importlib
import itertools
import signal
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from tests.integration.cause_fleet import Fleet, attempts, drawn
from tests.integration.workers_process import Started
from tests.support.board.tensorboard_api import open_tensorboard
from tests.support.needed import needs
from tests.support.service_process import Nursery, ServiceProcess
from tests.support.study_lab import CLOSED, Lab
from tuner.queue.redis_process import RedisServer

pytestmark = [pytest.mark.slow, needs("keras", "tensorflow", "sklearn")]

EPOCHS = 20
#: Ten batches make an epoch of at least 0.5 s.
PAUSE_S = 0.05
TIMES = 3
#: Of a killed worker; a worker beats three times in it.
LEASE_S = 5.0
CHECKPOINT_EVERY_S = 1.0
METRICS = ("accuracy", "loss", "val_accuracy", "val_loss")


@pytest.fixture(scope="module")
def server(
    shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    home = tmp_path_factory.mktemp("preemption")
    nursery = Nursery(home / "nursery.log")
    url = f"sqlite:///{home / 'tuner.db'}"
    service = ServiceProcess(nursery, home, url, shared_redis.url, lease_s=LEASE_S)
    with service.running():
        yield service
    nursery.close()


class Crew(Fleet):
    """Two workers, of which one trains; whoever leaves is replaced."""

    def __init__(self, service: ServiceProcess) -> None:
        super().__init__(service)
        self.data = service.home / "digits.npz"
        digits = importlib.import_module("sklearn.datasets").load_digits()
        np.savez(self.data, x=(digits.data / 16).astype("float32"), y=digits.target)

    def complete(self) -> None:
        """See that there are two workers: one that trains, and one to take over."""
        while sum(worker.process.poll() is None for worker in self.workers.values()) < 2:
            self.launch("w", preimport="tensorflow", OMP_NUM_THREADS="1")

    def train(self, *, pause: float, every_s: float = 60.0) -> Lab:
        """Submit a study of one trial."""
        fixed = {"epochs": EPOCHS, "pause": pause, "every_s": every_s, "data": str(self.data)}
        space: dict[str, Any] = {
            name: {"type": "fixed", "value": value} for name, value in fixed.items()
        }
        space["x"] = {"type": "float", "low": 0.0, "high": 1.0}
        return self.submit(
            objective="tests.acceptance.preemption_trials:train",
            metric={"name": "val_accuracy", "goal": "maximize"},
            search_space=space,
            start_with=[],
            budget={"trials": 1},
            trial={"retries": 9},
        )

    def trainer(self, lab: Lab, no: int) -> Started | None:
        """Return the worker of the `no`-th attempt once its training is two epochs ahead."""
        for attempt in attempts(lab) if lab.trials() else []:
            if attempt["attempt"] == no and attempt["finished"] is None:
                spoken = epochs(lab, attempt, "END")
                return self.workers[attempt["worker"]] if len(spoken) >= 2 else None
        return None

    def disturb(self, lab: Lab, number: signal.Signals) -> None:
        """Send the signal to the worker that trains, `TIMES` times; the other one takes over."""
        for no in range(1, TIMES + 1):
            self.complete()
            worker = lab.wait(lambda no=no: self.trainer(lab, no), f"attempt {no} trains", 60)
            time.sleep(0.7)  # anywhere in an epoch
            worker.process.send_signal(number)
            worker.wait()
        lab.wait(lambda: lab.status()["state"] in CLOSED, "the study ends", 90)


@pytest.fixture(scope="module")
def crew(server: ServiceProcess) -> Iterator[Crew]:
    crew = Crew(server)
    yield crew
    crew.close()


@pytest.fixture(scope="module")
def undisturbed(crew: Crew) -> dict[str, list[float]]:
    """The curves of the same training, left alone: the same seed, only faster."""
    crew.complete()
    lab = crew.train(pause=0.0)
    lab.wait(lambda: lab.status()["state"] in CLOSED, "the study ends", 90)
    (attempt,) = attempts(lab)
    return curves(lab, attempt)


def curves(lab: Lab, attempt: dict[str, Any]) -> dict[str, list[float]]:
    """Return the values of each metric, which must have been drawn for every epoch once."""
    scalars = drawn(lab, attempt)["scalars"]
    for name in METRICS:
        assert [point[0] for point in scalars[name]] == list(range(1, EPOCHS + 1)), name
    return {name: [point[1] for point in scalars[name]] for name in METRICS}


def epochs(lab: Lab, attempt: dict[str, Any], word: str) -> list[int]:
    """Return the epochs that an attempt has said that word of."""
    path = Path(lab.service.log_root / attempt["run_dir"] / "output.log")
    lines = path.read_text().splitlines() if path.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith(f"{word} ")]


def trained(lab: Lab, word: str) -> int:
    """Return how many epochs all attempts have begun, or ended, together."""
    return sum(len(epochs(lab, attempt, word)) for attempt in attempts(lab))


def assert_one_continuous_trial(lab: Lab, cause: str, undisturbed: dict[str, list[float]]) -> None:
    """Assert what a user sees of the trial: one number, one curve, the result of one training."""
    (row,) = lab.trials()
    begun = attempts(lab)
    assert (row["trial"], row["state"]) == (0, "COMPLETE")
    assert [attempt["cause"] for attempt in begun] == [cause] * TIMES + [None]
    assert lab.status()["budget"]["used"] == 1
    assert all(earlier["worker"] != later["worker"] for earlier, later in itertools.pairwise(begun))
    found = curves(lab, begun[-1])
    for name in METRICS:
        assert found[name] == pytest.approx(undisturbed[name], abs=1e-4), name
    assert row["objective"] == pytest.approx(max(undisturbed["val_accuracy"]), abs=1e-4)


def test_a_training_whose_workers_must_leave_goes_on_without_any_waste(
    crew: Crew, undisturbed: dict[str, list[float]]
) -> None:
    lab = crew.train(pause=PAUSE_S)
    crew.disturb(lab, signal.SIGTERM)
    assert_one_continuous_trial(lab, "preempted", undisturbed)

    # Each finished the epoch it was in, and the next one began behind it.
    assert trained(lab, "BEGIN") == trained(lab, "END") == EPOCHS
    steps = [(report["step"], report["attempt"]) for report in lab.show(0)["reports"]]
    assert [step for step, _ in steps] == list(range(1, EPOCHS + 1)), "no gap, no repeated step"
    assert {no for _, no in steps} == set(range(1, TIMES + 2))


def test_a_training_whose_workers_are_killed_loses_a_checkpoint_interval_at_most(
    crew: Crew, undisturbed: dict[str, list[float]]
) -> None:
    lab = crew.train(pause=PAUSE_S, every_s=CHECKPOINT_EVERY_S)
    crew.disturb(lab, signal.SIGKILL)
    assert_one_continuous_trial(lab, "lost", undisturbed)

    # A checkpoint comes with the first end of an epoch that is 1 s after the last one: with every
    # second epoch, of 0.5 s and more. So two that were begun may be lost each time, and no third.
    assert trained(lab, "BEGIN") - EPOCHS <= 2 * TIMES
    assert_tensorboard_shows_one_outcome(lab)


def assert_tensorboard_shows_one_outcome(lab: Lab) -> None:
    """Assert that of all attempts only the last has a result, and the whole curve, drawn once."""
    begun = attempts(lab)
    names = [PurePosixPath(attempt["run_dir"]).name for attempt in begun]
    with open_tensorboard(lab.service.log_root / lab.study) as board:
        board.wait_until(
            board.trials,
            lambda shown: (
                [shown.get(name, {}).get("status") for name in names]
                == ["FAILURE"] * TIMES + ["SUCCESS"]
            ),
        )
        shown = board.trials()
        assert [name for name in names if "objective" in shown[name]["metrics"]] == names[-1:]
        points = board.scalars(names[-1], "val_accuracy")
    assert [step for step, _ in points] == list(range(1, EPOCHS + 1))
