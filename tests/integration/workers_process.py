"""Starts real worker and supervisor processes for tests, and ends them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from tests.support.patience import wait_end, wait_until

Start = Callable[..., "Started"]

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent


class Address(Protocol):
    """Where a worker is to work: a peer, or a real server."""

    url: str
    token: str


class Started:
    """A process whose log lines can be read while it runs."""

    def __init__(
        self,
        arguments: list[str],
        home: Path,
        peer: Address,
        *,
        wrapper: Sequence[str] = (),
        python: str = sys.executable,
        **environ: str,
    ) -> None:
        self.home = home
        self.log_root = home / "logs"
        self.log_path = home / "process.log"
        home.mkdir(parents=True, exist_ok=True)
        env = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}",
            "TUNER_HOME": str(home),
            "TUNER_API_URL": peer.url,
            "TUNER_TOKEN": peer.token,
            "TUNER_LOG_FORMAT": "json",
            **environ,
        }
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [python, *wrapper, "-m", "workers", *arguments],
                env=env,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stderr=log,
                stdout=log,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def logs(self) -> list[dict[str, Any]]:
        lines = self.log_path.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait_log(self, message: str, timeout_s: float = 30.0) -> dict[str, Any]:
        wait_until(lambda: self._find(message), f"no log {message!r}", seconds=timeout_s)
        return self._find(message)[-1]

    def terminate(self) -> None:
        self.process.terminate()

    def wait(self, timeout_s: float = 30.0) -> int:
        return wait_end(self.process, timeout_s)

    def run_dir(self, attempt_no: int = 1, trial: int = 0) -> Path:
        name = f"trial_{trial:05d}-20261122T231005Z-a{attempt_no}"
        return self.log_root / "vision/digits" / name

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _find(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.logs() if line["message"] == message]


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def wait_dead(pid: int, timeout_s: float = 10.0) -> None:
    wait_until(lambda: not is_alive(pid), f"process {pid} still lives", seconds=timeout_s)


def read_pid(path: Path, timeout_s: float = 30.0) -> int:
    wait_until(lambda: path.exists() and path.read_text(), f"no {path.name}", seconds=timeout_s)
    return int(path.read_text())


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
