"""A real Ray on the loopback, from PyPI, in an environment of its own without Tuner."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.environments import CACHE, made
from tests.support.patience import clock

RAY = os.environ.get("TUNER_TEST_RAY") or "ray==2.60.0"
START_S = 120.0


class RayCluster:
    """A head node. Everything of it is a child of `ray start --block`, and ends with that."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.python = python
        self.folder = folder
        # Ray keeps a file in the account's home.
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "TUNER_"))},
            "HOME": str(folder),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        log = self.folder / "ray.log"
        command = [
            self.python.with_name("ray"), "start", "--head", "--block", f"--port={self.port}",
            "--node-ip-address=127.0.0.1", "--num-cpus=4", "--include-dashboard=false",
            "--disable-usage-stats", f"--temp-dir={self.folder}/r",
            "--object-store-memory=100000000",
        ]  # fmt: skip
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env=self.environ,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = clock() + START_S
        while "runtime started" not in log.read_text():
            assert self._process.poll() is None, f"Ray ended:\n{log.read_text()[-3000:]}"
            assert clock() < deadline, f"Ray is not there:\n{log.read_text()[-3000:]}"
            time.sleep(0.2)

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        # Its daemons have kept to its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def ray_or_skip() -> Iterator[RayCluster]:
    """A running cluster; where pip's index has no Ray for this Python, the test is skipped."""
    python = _environment()
    # Ray puts sockets there, whose paths must be short.
    with tempfile.TemporaryDirectory(prefix="tr-", dir="/tmp", ignore_cleanup_errors=True) as name:
        cluster = RayCluster(python, Path(name))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def _environment() -> Path:
    made_from = hashlib.sha256(RAY.encode()).hexdigest()[:16]
    folder = CACHE / f"ray-py{sys.version_info.major}{sys.version_info.minor}-{made_from}"
    python = folder / "bin" / "python"
    with made(folder) as is_new:
        if is_new:
            install: list[str | Path] = [python, "-m", "pip", "install", "-q", "--no-compile", RAY]
            done = subprocess.run(install, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"needs Ray: pip's index has no {RAY}; TUNER_TEST_RAY names another")
    return python


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
