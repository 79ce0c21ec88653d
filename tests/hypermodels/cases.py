"""Hypermodels that are run one after the other in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
GUIDES, BAD = "tests.hypermodels.guides", "tests.hypermodels.bad"


def run_all(
    cases: dict[str, dict[str, Any]], python: str = sys.executable, **environ: str
) -> dict[str, dict[str, Any]]:
    """Run cases in one process; return what came of each."""
    done = subprocess.run(
        [python, "-m", "tests.hypermodels"],
        input=json.dumps(list(cases.values())),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environ},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return dict(zip(cases, map(json.loads, done.stdout.splitlines()), strict=True))


def guide(name: str, loader: str | None = "table", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"hypermodel": f"{GUIDES}:{name}", **more}
    return found if loader is None else {**found, "loader": f"{GUIDES}:{loader}"}


def bad(name: str, **more: Any) -> dict[str, Any]:
    return {"hypermodel": f"{BAD}:{name}", "loader": f"{BAD}:data", "metric": "loss", **more}
