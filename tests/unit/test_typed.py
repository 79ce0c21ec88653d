"""A user's type checker sees what is imported from here, and not `Any`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import tuner
from workers import Run

def train(run: Run) -> float:
    reveal_type(run.seed)
    return 0.5

reveal_type(tuner.BayesianSampler)
Run.local({"x": 0.5}).report("first", 0.5)
"""


@pytest.mark.slow
def test_a_script_that_imports_tuner_and_workers_is_checked_with_their_types(
    tmp_path: Path,
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", tmp_path / "cache", "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    lines = [line.partition(": ")[2] for line in done.stdout.splitlines()]
    assert 'note: Revealed type is "int"' in lines
    assert any("tuner.samplers.bayesian" in line for line in lines), lines
    assert any('incompatible type "str"; expected "int"' in line for line in lines), lines
    assert not any("py.typed" in line for line in lines), lines
