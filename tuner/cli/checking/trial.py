"""The one trial of `tuner check`: run by a worker's code, until its first report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.documents.document import JsonObject
from tuner.local.process import python_env
from tuner.protocol import Assignment
from tuner.settings import Settings
from tuner.spec import StudySpec, known_parameters

#: Seconds in addition to the trial's own limit: for the imports before it and the report after it.
_MARGIN_S = 60.0


def trial_assignment(spec: StudySpec, params: dict[str, Any]) -> Assignment:
    """Return the trial of a configuration in the form that a worker receives."""
    return Assignment(
        attempt="check",
        study=spec.name,
        trial=0,
        attempt_no=1,
        params=params,
        seed=spec.sampler.seed or 0,
        objective=spec.entry,
        loader=spec.data.loader,
        known=known_parameters(spec),
        metrics=[{"name": m.name, "goal": m.goal} for m in spec.metrics],
        run_dir="check",
        checkpoint_dir="check",
        devices=spec.trial.gpus,
        reproducibility=spec.trial.reproducibility,
        backend=spec.trial.backend,
        command=list(spec.command),
    )


def trial_env(settings: Settings, scratch: Path) -> dict[str, str]:
    """Return an environment for a worker's code, with temporary folders."""
    return python_env(os.environ) | {
        "TUNER_HOME": str(settings.home),
        "TUNER_LOG_ROOT": str(scratch / "logs"),
        "TUNER_CHECKPOINT_ROOT": str(scratch / "checkpoints"),
        # What these processes leave is deleted with the folder, even after Ctrl-C.
        "TMPDIR": str(scratch),
    }


def try_trial(
    assignment: Assignment, *, code: Path | None, env: Mapping[str, str], timeout_s: float
) -> JsonObject:
    """Run the trial with a worker's code, and return what it reports.

    Args:
        code: folder of the study's code; None: the code is installed.
        timeout_s: limit for the first report, in seconds.
    """
    request = {
        "assignment": assignment.to_json(),
        "code_root": None if code is None else str(code),
        "timeout_s": timeout_s,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "workers", "try"],
            input=json.dumps(request),
            env=dict(env),
            capture_output=True,
            text=True,
            timeout=timeout_s + _MARGIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _failed(f"the trial made no report within {timeout_s:g} s, and could not be ended")
    try:
        answer: JsonObject = json.loads(done.stdout)
    except ValueError:
        tail = "\n".join(done.stderr.strip().splitlines()[-15:])
        return _failed(f"the worker ended with status {done.returncode}:\n{tail}")
    return answer


def _failed(error: str) -> JsonObject:
    return {
        "ok": False,
        "step": None,
        "value": None,
        "metrics": {},
        "error": error,
        "seconds": None,
        "reported": False,
    }
