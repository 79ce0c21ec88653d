"""A plan of workers to launch, and an `sbatch` that says what it was given."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from tuner.launch.plan import Plan

SETTINGS = {
    "TUNER_API_URL": "https://tuner.example",
    "TUNER_TOKEN_FILE": "/shared/it's/token",
    "TUNER_HOME": "/shared/tuner",
    "TUNER_LOG_ROOT": "/shared/logs",
    "TUNER_CHECKPOINT_ROOT": "/shared/checkpoints",
}

#: Has all of sbatch that the tests need; it says what it was given.
SBATCH = """#!{python}
import os, sys
open({folder!r} + "/seen", "w").write(repr((sys.argv[1:], dict(os.environ))))
sys.stderr.write({err!r}); sys.stdout.write({out!r}); sys.exit({code})
"""


def plan(**changes: Any) -> Plan:
    facts = {"name": "tuner", "workers": 4, "settings": SETTINGS, "python": "/shared/bin/python"}
    return Plan(**{**facts, **changes})


def make_sbatch(folder: Path, *, out: str = "", err: str = "", code: int = 0) -> dict[str, str]:
    path = folder / "sbatch"
    text = SBATCH.format(python=sys.executable, folder=str(folder), err=err, out=out, code=code)
    path.write_text(text)
    path.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
