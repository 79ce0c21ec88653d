"""Starts one side's search as its users do, and reads what the hypermodel noted."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.benchmarks.side_by_side.digits_hypermodel import EPOCHS
from tests.benchmarks.stack import ROOT

Side = Literal["BayesianOptimization", "Hyperband", "Tuner", "Tuner, hyperband"]
SIDES: tuple[Side, ...] = ("BayesianOptimization", "Tuner", "Hyperband", "Tuner, hyperband")
_HERE = Path(__file__).parent
_LOOK_S = 0.2
#: More than a budget of epochs ever needs; the search is ended when the epochs are used up.
_PLENTY = 10_000


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training, from its begin to its end; seconds since the command was started."""

    began_s: float
    ended_s: float
    values: dict[str, Any]
    #: Smallest validation loss; None: it was no number, or there was no epoch.
    loss: float | None
    epochs: int


@dataclass
class Search:
    """A search that was started in a folder of its own. Mutable: it is started and ended.

    Args:
        side: which one.
        trials: budget; a search with a pruner gets as many epochs as so many whole trainings.
        seed: of the sampler.
        workers: processes that train at once.
    """

    side: Side
    trials: int
    seed: int
    workers: int = 1
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="side-by-side-")))
    began: float = 0.0
    process: subprocess.Popen[bytes] | None = None

    @property
    def is_stock(self) -> bool:
        """Whether this is KerasTuner by itself."""
        return not self.side.startswith("Tuner")

    @property
    def prunes(self) -> bool:
        """Whether trainings are ended early."""
        return "yperband" in self.side

    @property
    def log(self) -> Path:
        """What the hypermodel notes."""
        return self.folder / "trainings.jsonl"

    @property
    def output(self) -> str:
        """What the command printed."""
        return (self.folder / "output.txt").read_text(errors="replace")

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start the command, or start it again in the same folder."""
        if not self.began:
            self.began = time.time()
        self.process = self.spawn("output.txt", environment)
        return self.process

    def spawn(self, output: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start the command in a session of its own, with an environment on top of the usual."""
        environ = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SIDE_BY_SIDE_LOG": str(self.log),
            "TUNER_HOME": str(self.folder / "home"),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "-1",
            **environment,
        }
        with (self.folder / output).open("ab") as file:
            return subprocess.Popen(
                self._stock() if self.is_stock else self._ours(),
                cwd=self.folder, env=environ, stdout=file, stderr=file,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def _stock(self) -> list[str]:
        kind = "hyperband" if self.prunes else "bayesian"
        place = [str(self.folder / "project"), str(self.trials), str(self.seed)]
        return [sys.executable, str(_HERE / "stock.py"), kind, *place]

    def _ours(self) -> list[str]:
        shutil.copy(_HERE / "digits_hypermodel.py", self.folder)
        spec = {
            "project": "side",
            "study": "digits",
            "hypermodel": "digits_hypermodel:DigitsHyperModel",
            "data": {"loader": "digits_hypermodel:load"},
            "metric": {"name": "val_loss", "goal": "minimize"},
            "sampler": {"name": "bayesian", "seed": self.seed},
            "pruner": "hyperband" if self.prunes else "none",
            "history": "none",
            "budget": {"trials": _PLENTY if self.prunes else self.trials},
        }
        # JSON is YAML.
        (self.folder / "study.yaml").write_text(json.dumps(spec))
        workers = ["--workers", str(self.workers)]
        return [sys.executable, "-m", "tuner", "run", "study.yaml", *workers]

    def run(self) -> list[Training]:
        """Start it, wait for its end or for the end of its epochs, and return its trainings."""
        process = self.start()
        while process.poll() is None:
            time.sleep(_LOOK_S)
            if self.prunes and sum(t.epochs for t in self.trainings()) >= self.trials * EPOCHS:
                break
        self.end()
        return self.trainings()

    def trainings(self) -> list[Training]:
        """Return the trainings that have ended, in the order of their ends."""
        begins: dict[int, dict[str, Any]] = {}
        found = []
        for entry in self.notes():
            if entry["event"] == "begin":
                begins[entry["pid"]] = entry
            elif (begin := begins.pop(entry["pid"], None)) is not None:
                found.append(
                    Training(
                        began_s=begin["at"] - self.began,
                        ended_s=entry["at"] - self.began,
                        values=entry["values"],
                        loss=entry["loss"],
                        epochs=entry["epochs"],
                    )
                )
        return found

    def notes(self) -> list[dict[str, Any]]:
        """Return what was noted, in its order; a line that is being written is left out."""
        if not self.log.exists():
            return []
        lines = self.log.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def end(self, number: signal.Signals = signal.SIGINT) -> None:
        """End what still runs, with all that it has started."""
        process = self.process
        if process is None:
            return
        if process.poll() is None and number == signal.SIGINT:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def search(side: Side, trials: int, seed: int, workers: int = 1) -> Iterator[Search]:
    """Yield a search that was not started yet; nothing of it is left afterwards."""
    found = Search(side=side, trials=trials, seed=seed, workers=workers)
    try:
        yield found
    finally:
        found.end()
        shutil.rmtree(found.folder, ignore_errors=True)
