"""How long the command line and the workers' package take to start, in fresh processes."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.benchmarks.figure import Figure, median
from tests.benchmarks.stack import ROOT

TIMES = 11
_IMPORT = (
    "import time; start = time.perf_counter(); import workers.objective.run; "
    "print(time.perf_counter() - start)"
)


def measure() -> list[Figure]:
    """Start fresh processes; the first is not counted, because it fills the disk cache."""
    python = [_wall_s([sys.executable, "-c", "pass"]) for _ in range(TIMES)][1:]
    helps = [_wall_s([sys.executable, "-m", "tuner", "--help"]) for _ in range(TIMES)][1:]
    imports = [float(_run([sys.executable, "-c", _IMPORT])) for _ in range(TIMES)][1:]
    note = f"median of {TIMES - 1} fresh processes"
    return [
        Figure(
            name="tuner --help",
            value=median(helps),
            unit="s",
            limit=0.3,
            note=f"{note}; Python itself takes {median(python):.2g} s of it",
        ),
        Figure(
            name="import workers.objective.run",
            value=median(imports),
            unit="s",
            limit=0.1,
            note=note,
        ),
    ]


def _wall_s(command: list[str]) -> float:
    start = time.perf_counter()
    _run(command)
    return time.perf_counter() - start


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout
