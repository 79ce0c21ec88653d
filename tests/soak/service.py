"""Server, Redis and workers of a soak, started by the commands that users have."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.chaos.fleet import Fleet
from tests.chaos.objectives.planting import GUARD, ORDERS
from tests.support.processes import children, is_alive
from tests.support.service_process import ROOT, TOKEN

START_S, END_S = 60.0, 30.0
#: Of the workers and of all studies, so that another worker's claim finds nothing.
IMAGE = f"soak/train@sha256:{'1' * 64}"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Service:
    """A running service. Mutable: it ends.

    Args:
        home: of all files, made here.
        database_url: of another database than the home's own.
        workers: how many.
        trial_s: what a trial takes, seconds.
    """

    def __init__(self, home: Path, database_url: str | None, workers: int, trial_s: float) -> None:
        self.home = home
        self.orders, self.guard = home / "orders", home / "guard"
        for folder in (home, self.orders, self.guard):
            folder.mkdir(parents=True, exist_ok=True)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TUNER_")}
        self._environ = {
            **kept,
            "PYTHONPATH": str(ROOT),
            "TUNER_HOME": str(home),
            "TUNER_TOKEN": TOKEN,
            **({"TUNER_DATABASE_URL": database_url} if database_url else {}),
        }
        self.database_url = database_url or f"sqlite:///{home / 'tuner.db'}"
        self.log = home / "server.log"
        with self.log.open("ab") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "tuner", "serve", "--port", "0"],
                env=self._environ,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),
            )
        self.url = self._wait_url()
        pace = home / "pace"
        pace.write_text(f"{trial_s:.2f}")
        self.fleet = Fleet(
            home / "fleet",
            self.url,
            log_root=home / "logs",
            checkpoint_root=home / "checkpoints",
            count=workers,
            pace=pace,
            environ={
                ORDERS: str(self.orders),
                GUARD: str(self.guard),
                "TUNER_IMAGE": IMAGE,
            },
        )
        self.fleet.start()
        self.fleet.wait_ready()

    def redis_pid(self) -> int | None:
        """Return the process of the Redis that the server has started, None while it has none."""
        for pid in children(self.server.pid):
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                if b"redis" in command or b"valkey" in command:
                    return pid
        return None

    def is_running(self) -> bool:
        """Whether the server lives."""
        return self.server.poll() is None and is_alive(self.server.pid)

    def stop(self) -> None:
        """End workers and server as an operator does."""
        with contextlib.suppress(ProcessLookupError):
            self.fleet.stop()
        self.server.terminate()
        try:
            self.server.wait(END_S)
        except subprocess.TimeoutExpired:
            self.server.kill()

    def _wait_url(self) -> str:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.server.poll() is None:
            with contextlib.suppress(OSError, ValueError, KeyError):
                info = json.loads((self.home / "service.json").read_bytes())
                if info["pid"] == self.server.pid:
                    return str(info["url"])
            time.sleep(0.1)
        said = self.log.read_text(errors="replace")[-2000:]
        raise AssertionError(f"the server did not start: {said}")
