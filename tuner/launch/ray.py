"""Runs the actors' script with Ray's own Python."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.errors import SetupError, SpecError, UnavailableError
from tuner.launch.surroundings import run_program

#: Maximum seconds for Ray's start, room for the actors, and importing Keras in each worker.
_TIMEOUT_S = 300.0
_MOST_WORDS = 2000
#: Start of the message if the cluster does not answer; any other one concerns the request.
_AWAY = "no Ray answers"


def find_python(given: Path | None, environ: Mapping[str, str]) -> Path:
    """Return a Python that has Ray: the one specified, this one, or that of `ray` on the PATH.

    Raises:
        SetupError: there is none.
    """
    if given is not None:
        # Not resolved: an environment's Python is a link to one that knows nothing of the
        # environment.
        found = given.expanduser().absolute()
        if not os.access(found, os.X_OK) or found.is_dir():
            raise SetupError(f"--ray-python {given}: is not a program")
        return found
    if importlib.util.find_spec("ray") is not None:
        return Path(sys.executable)
    program = shutil.which("ray", path=environ.get("PATH"))
    beside = None if program is None else Path(program).absolute().with_name("python")
    if beside is not None and os.access(beside, os.X_OK):
        return beside
    raise SetupError(
        "there is no Ray here: name the Python that has it, of the cluster's version, with "
        "--ray-python; it may be another environment than Tuner's"
    )


def run_script(python: Path, script: Path, verb: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Run the script of the actors; return its answer.

    Args:
        python: an interpreter that has Ray.
        script: see `write_script`.
        verb: start, list or stop.

    Raises:
        SpecError: the request cannot be fulfilled; then nothing was started.
        UnavailableError: no Ray answers, or the script prints nothing.
    """
    # Ray's Python has its own packages.
    env = {k: v for k, v in environ.items() if not k.startswith("PYTHON")}
    done = run_program([str(python), str(script), verb], env, "Ray", _TIMEOUT_S)
    if done.returncode != 0:
        raise _failure(done.stderr)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as exc:
        raise UnavailableError(f"{python} answered {done.stdout[:200]!r}, no JSON") from exc
    return answer


def _failure(said: str) -> SpecError | UnavailableError:
    lines = [line for line in said.splitlines() if line.strip()]
    own = [line.removeprefix("tuner: ") for line in lines if line.startswith("tuner: ")]
    text = (own or lines or ["it said nothing"])[-1][:_MOST_WORDS]
    if not own:
        return UnavailableError(f"Ray's Python failed: {text}")
    return UnavailableError(text) if text.startswith(_AWAY) else SpecError(text)
