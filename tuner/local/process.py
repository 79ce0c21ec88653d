"""Processes that a command starts: detached ones outlive it, bound ones never do."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tuner.local.home import is_running
from tuner.runtime.system import make_bond


def start_python(
    module: str, *args: str, env: Mapping[str, str], log: Path, bound: bool
) -> subprocess.Popen[bytes]:
    """Start `python -m module` in its own session: the terminal's Ctrl-C reaches only us.

    Args:
        module: what to run, with this interpreter.
        env: its whole environment.
        log: file to which output and errors are appended.
        bound: it gets SIGTERM when the calling thread's process ends, in whatever way.
    """
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    log.touch(mode=0o600)
    with log.open("ab") as out:
        return subprocess.Popen(
            # -P: a user's folder may contain a file named like a module that we need.
            [sys.executable, "-P", "-m", module, *args],
            env=python_env(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            # On systems other than Linux only TensorBoard starts, and only its command ends it.
            preexec_fn=make_bond() if bound else None,
        )


def python_env(env: Mapping[str, str]) -> dict[str, str]:
    """Return `env` with a PYTHONPATH that means the same in any folder and with `-P`."""
    parts = env.get("PYTHONPATH", "").split(os.pathsep)
    given = [str(Path(part).absolute()) for part in parts if part]
    here = Path(__file__).resolve().parents[2]
    # Started as `python -m tuner` in a clone: only the working directory leads to the package.
    if not sys.flags.safe_path and here == Path.cwd() and str(here) not in given:
        given.append(str(here))
    return {**env, "PYTHONPATH": os.pathsep.join(given)} if given else dict(env)


def end_process(pid: int, *, grace_s: float) -> bool:
    """Send SIGTERM, and SIGKILL after `grace_s` seconds; return whether it ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while is_running(pid):
        if time.monotonic() > deadline:
            kill_process(pid)
            return False
        time.sleep(0.05)
    return True


def kill_process(pid: int) -> None:
    """Send SIGKILL to a process; processes bound to it die with it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def read_tail(path: Path, *, since: int = 0, lines: int = 15) -> str:
    """Return the last lines that were appended to `path` after byte `since`."""
    try:
        with path.open("rb") as file:
            file.seek(since)
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-lines:])
