"""A fleet of real workers, as on a host of its own: killed and started again like a container."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.chaos.objectives.chaos_trials import PACE
from tests.support.patience import clock
from tests.support.processes import children, is_alive, trials
from tests.support.service_process import ROOT, TOKEN

END_TIMEOUT_S = 20.0


def has_faketime() -> bool:
    """Whether this machine can give a process another clock (Debian's package `faketime`)."""
    return shutil.which("faketime") is not None


def clock_environ(offset: str) -> dict[str, str]:
    """Return the environment of a process whose clock is off by `offset`, as "+5h"."""
    if not offset:
        return {}
    asked = subprocess.run(
        ["faketime", "-f", "+0", "env"], capture_output=True, text=True, check=True
    )
    library = next(line for line in asked.stdout.splitlines() if line.startswith("LD_PRELOAD="))
    return {
        "LD_PRELOAD": library.partition("=")[2],
        "FAKETIME": offset,
        # No real clock of this kind is ever set.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


class Fleet:
    """A supervisor with its workers. Mutable: processes come and go.

    Args:
        folder: of its files; made when missing.
        url: of the server, as this fleet reaches it.
        log_root, checkpoint_root: shared with the server.
        count: of workers.
        pace: file with the time that a trial takes.
        environ: further variables of workers and trials.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        *,
        log_root: Path,
        checkpoint_root: Path,
        count: int,
        pace: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.count = count
        #: How far its clock is off, as "+5h"; empty: it is right.
        self.clock = ""
        self._control = folder / "fleet.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("TUNER_")},
            "PYTHONPATH": str(ROOT),
            "TUNER_HOME": str(folder),
            "TUNER_API_URL": url,
            "TUNER_TOKEN": TOKEN,
            "TUNER_LOG_ROOT": str(log_root),
            "TUNER_CHECKPOINT_ROOT": str(checkpoint_root),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            PACE: str(pace),
            **(environ or {}),
        }

    @property
    def log(self) -> Path:
        """What supervisor and workers log."""
        return self.folder / "fleet.log"

    @property
    def pid(self) -> int:
        """The supervisor; 0 when there is none."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Start the supervisor, with the clock that is set."""
        # What the one before has left would be taken for its successor's.
        self._control.with_name("fleet.json.state").unlink(missing_ok=True)
        options = ["--gpus=none", "--preimport=none", f"--control={self._control}"]
        # It must not outlive the tests.
        options.append(f"--parent={os.getpid()}")
        command = ["-m", "workers", "fleet", "--count", str(self.count), *options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                env={**self._environ, **clock_environ(self.clock)},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> list[int]:
        """Kill the supervisor; return the workers and trials that must die with it."""
        assert self._process is not None
        mine = [pid for worker in self.workers() for pid in (worker, *children(worker))]
        self._process.kill()
        self._process.wait(END_TIMEOUT_S)
        self._process = None
        return mine

    def stop(self) -> None:
        """End the fleet as an operator does."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def workers(self) -> list[int]:
        """Return the workers' process ids."""
        return [worker["pid"] for worker in self._state() if is_alive(worker["pid"] or 0)]

    def busy(self) -> list[tuple[int, int]]:
        """Return worker and process of each trial that runs."""
        return [(pid, trial) for pid in self.workers() for trial in trials(pid)]

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until every worker has spoken to the server."""
        deadline = clock() + timeout_s
        while {worker["state"] for worker in self._state()} - {"idle", "busy"} or not self._state():
            assert clock() < deadline, f"{self.folder.name} is not ready: {self._tail()}"
            time.sleep(0.05)

    def _state(self) -> list[dict[str, Any]]:
        try:
            content = self._control.with_name("fleet.json.state").read_bytes()
        except FileNotFoundError:
            return []
        workers: list[dict[str, Any]] = json.loads(content)["workers"]
        return workers

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]
