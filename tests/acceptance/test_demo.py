"""`make demo`, in its smallest form: real trainings, a cold and a warm study, and what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.needed import needs

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
@needs("tensorflow")
def test_the_demonstration_shows_both_studies_and_the_way_to_look_at_them(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    small = ["--source-trials", "3", "--trials", "2", "--pairs", "1"]

    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.demo", "--folder", str(folder), *small],
        cwd=ROOT,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    bars = re.findall(r"^ +(?:\d )? +(cold|warm) +█* (0\.\d{3})", done.stdout, re.MULTILINE)
    assert [kind for kind, _ in bars] == ["cold", "warm"] * 2
    assert re.search(r"^(Gain in the only pair|No gain): ?", done.stdout, re.MULTILINE)
    assert f"TUNER_HOME={folder / 'home'}" in done.stdout
    assert "board demo" in done.stdout
    assert not (folder / "home" / "service.json").exists()
