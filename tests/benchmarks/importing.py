"""How long it takes to import 5 000 runs of 30 points, and to find that nothing has changed."""

from __future__ import annotations

import math
import resource
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.figure import Figure, median
from tests.benchmarks.stack import ROOT, fresh_settings
from tuner.roots import Place
from tuner.tfevents import RunWriter, read_run

RUNS = 5000
POINTS = 30
AGAIN = 5
_OPTIMIZERS = ("adam", "sgd", "rmsprop")


def measure() -> list[Figure]:
    """Write the runs, import them with the command, then again; read some of them alone."""
    with fresh_settings() as settings:
        logs = settings.home / "their-logs"
        for number in range(RUNS):
            _write(logs / f"run-{number:05d}", number)
        folders = sorted(logs.iterdir())
        alone = [_read_ms(folders[at : at + 50]) for at in range(0, 1000, 50)]
        first, memory_mb = _add(settings.home, logs)
        again = [_add(settings.home, logs)[0] for _ in range(AGAIN)]
    what = f"{RUNS} runs of {POINTS} points"
    return [
        Figure(
            name="tuner history add", value=first, unit="s", limit=6.0, note=f"{what}, new home"
        ),
        Figure(
            name="tuner history add, unchanged",
            value=median(again),
            unit="s",
            limit=1.0,
            note=f"median of {AGAIN}, longest {max(again):.3g} s",
        ),
        Figure(name="one run read", value=median(alone), unit="ms", limit=1.0, note="in memory"),
        Figure(name="memory of the import", value=memory_mb, unit="MB", note="largest, resident"),
    ]


def _write(folder: Path, number: int) -> None:
    writer = RunWriter(Place(folder))
    params = {"rate": 10 ** -(1 + number % 7), "layers": number % 5, "bias": bool(number % 2)}
    writer.start({**params, "optimizer": _OPTIMIZERS[number % 3]}, folder.name)
    for step in range(POINTS):
        writer.scalars(step, {"val_accuracy": 1 - math.exp(-step / (1 + number % 11))})
    writer.finish(number / RUNS, "success")
    writer.close()


def _read_ms(folders: list[Path]) -> float:
    start = time.perf_counter()
    for folder in folders:
        read_run(Place(folder))
    return 1000 * (time.perf_counter() - start) / len(folders)


def _add(home: Path, logs: Path) -> tuple[float, float]:
    """Return how long the command took, and the most memory that a command ever took, in MB."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "tuner", "history", "add", str(logs)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TUNER_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    took = time.perf_counter() - start
    return took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
