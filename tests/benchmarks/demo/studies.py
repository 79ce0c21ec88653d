"""The studies of the demonstration: specs, service and workers in a home of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tuner
from tuner.spec import load_spec

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "search_spaces" / "examples"
PROJECT = "demo"
SOURCE = "first"
_ACTIVE = ("running", "stopping")


class StudioError(Exception):
    """A command of the demonstration failed, or a study did not come to its end."""


class Studio:
    """A folder with the examples' code, and a home; a context manager that ends what it started.

    Args:
        folder: emptied first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"

    def __enter__(self) -> Studio:
        if self.home.exists():
            self._tuner("down")
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(EXAMPLES / "objectives", self.folder / "objectives")
        os.environ["TUNER_HOME"] = str(self.home)
        return self

    def __exit__(self, *_: object) -> None:
        self._tuner("down")

    def submit(self, example: str, study: str, changes: Mapping[str, Any]) -> None:
        """Submit an example as a study of the demonstration, with some keys changed."""
        spec = load_spec(EXAMPLES / f"{example}.yaml").spec.to_json()
        spec |= {"project": PROJECT, "study": study, **changes}
        path = self.folder / f"{study}.yaml"
        # JSON is YAML.
        path.write_text(json.dumps({key: value for key, value in spec.items() if value}))
        self._tuner("submit", str(path), "--json")

    def start_workers(self, count: int) -> None:
        """Start so many workers, which take the trials of every study."""
        self._tuner("workers", "up", "-n", str(count))

    def wait(self, studies: Mapping[str, int], show: Callable[[str, int], None]) -> None:
        """Wait for studies, each with its budget, and show how many trials each has done."""
        open_ones = set(studies)
        while open_ones:
            for study in sorted(open_ones):
                status = tuner.status(f"{PROJECT}/{study}")
                show(study, int(status["budget"]["used"]))
                if status["state"] not in _ACTIVE:
                    if status["state"] != "finished":
                        raise StudioError(f"{study}: {status['state']}: {status['reason']}")
                    open_ones.discard(study)
            time.sleep(0.5)

    def results(self, study: str) -> list[float]:
        """Return the metric of each complete trial, in the order of the trials."""
        rows = tuner.best(f"{PROJECT}/{study}", 1000)
        return [float(row["objective"]) for row in sorted(rows, key=lambda row: int(row["trial"]))]

    def learnt(self, study: str) -> str:
        """Return in a sentence what a study knew from history, or why it knew nothing."""
        return str(tuner.explain(f"{PROJECT}/{study}")["summary"])

    def _tuner(self, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "tuner", *words],
            env={**os.environ, "TUNER_HOME": str(self.home)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and words[0] != "down":
            raise StudioError(f"tuner {' '.join(words)}: {done.stderr.strip()}")
