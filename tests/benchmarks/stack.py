"""A whole Tuner in processes of its own: `tuner serve` with its Redis, and a fleet of workers."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.machine import cpu_s
from tests.support.processes import children
from tuner.client import ApiClient
from tuner.settings import Settings, load_settings
from workers.agent.api import WorkerApi

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0


class Stack:
    """A running service. Mutable: processes come and go.

    Args:
        settings: whose home nobody else uses.
        open_files: as `ulimit -n` of the server; None: as of this process.
    """

    def __init__(self, settings: Settings, *, open_files: int | None = None) -> None:
        self.settings = settings
        self._open_files = open_files
        self._environ = _environ(settings)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._fleets: dict[str, subprocess.Popen[bytes]] = {}
        self._server = self._start_server()
        info = json.loads(settings.service_path.read_text())
        self.server_pid: int = info["pid"]
        self.url: str = info["url"]
        self.token = settings.token or settings.token_path.read_text().strip()
        self.api = ApiClient(self.url, self.token)

    def redis_url(self) -> str:
        """Return where the wake-ups are, as the workers are told."""
        api = WorkerApi(self.url, self.token)
        try:
            return api.config().redis_url or ""
        finally:
            api.close()

    def metrics(self) -> str:
        """Return what Prometheus would scrape."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.get(f"{self.url}/metrics", headers=headers, timeout=30.0, trust_env=False)
        return answer.raise_for_status().text

    def start_workers(self, count: int, fleet: str = "fleet", *, also: str = "") -> None:
        """Start real workers that fork, without TensorFlow; return when all are idle.

        Args:
            count: of workers.
            fleet: name of their supervisor; each has its own.
            also: URL of another server, which they ask when this one does not answer.
        """
        options = ["--count", str(count), "--gpus", "none", "--preimport", "none"]
        urls = f"{self.url},{also}" if also else self.url
        environ = {"TUNER_API_URL": urls, "TUNER_TOKEN": self.token}
        command = ["workers", "fleet", "--control", str(self._control(fleet)), *options]
        self._fleets[fleet] = self._start(command, **environ)

        def are_idle() -> bool:
            workers = self.workers(fleet)
            return len(workers) == count and all(w["state"] == "idle" for w in workers)

        wait_until(are_idle, f"the workers of {fleet} are idle")
        names = {worker["name"] for worker in self.workers(fleet)}
        wait_until(
            lambda: names <= {worker["name"] for worker in self.api.workers()},
            f"the server knows the workers of {fleet}",
        )

    def workers(self, fleet: str = "fleet") -> list[dict[str, Any]]:
        """Return name, pid and state of the workers of a fleet, as its supervisor tells them."""
        try:
            state = json.loads(self._state_path(fleet).read_text())
        except FileNotFoundError:
            return []
        return list(state["workers"])

    def kill_fleet(self, fleet: str = "fleet") -> None:
        """Kill a supervisor and its workers at once, so that nobody can tell the server."""
        process = self._fleets.pop(fleet)
        for pid in (process.pid, *(worker["pid"] for worker in self.workers(fleet))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def kill_server(self) -> None:
        """Kill the server; a Redis of its own dies with it."""
        self._server.kill()
        self._server.wait()
        self.settings.service_path.unlink(missing_ok=True)

    def start_server(self) -> None:
        """Start a server that was ended, on the same port; return when it answers."""
        self._server = self._start_server("--port", self.url.rpartition(":")[2])
        self.server_pid = self._server.pid

    def wait_finished(self, study: str, *, timeout_s: float = 300.0) -> dict[str, Any]:
        """Return the status of a study once it has finished.

        Raises:
            TimeoutError: it has not; the text has the end of the server's log.
        """

        def has_finished() -> bool:
            return bool(self.api.status(study)["state"] == "finished")

        try:
            # Seldom, because every question costs the server time.
            wait_until(has_finished, f"{study} finishes", timeout_s=timeout_s, every_s=0.5)
        except TimeoutError as exc:
            raise TimeoutError(f"{exc}\n{self._log_tail()}") from None
        return self.api.status(study)

    def proposed_by(self, study: str, trials: range) -> Counter[str]:
        """Return how many of the trials each sampler has proposed."""
        details = (self.api.show(study, number) for number in trials)
        return Counter(detail["proposal"]["sampler"] for detail in details)

    def cli(self, *arguments: str) -> tuple[float, str]:
        """Run a `tuner` command; return its wall time in seconds, and its output."""
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "tuner", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return time.perf_counter() - start, done.stdout

    def server_cpu_s(self) -> float:
        """Return the processor time of the server process so far."""
        return cpu_s(self.server_pid)

    def workers_cpu_s(self) -> float:
        """Return the processor time of all workers, their fork servers and trials so far."""
        return sum(
            cpu_s(pid)
            for worker in self.workers()
            for pid in (worker["pid"], *children(worker["pid"]))
        )

    def close(self) -> None:
        """End all processes, workers first."""
        self.api.close()
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _control(self, fleet: str) -> Path:
        return self.settings.home / f"{fleet}.json"

    def _state_path(self, fleet: str) -> Path:
        return self._control(fleet).with_name(f"{fleet}.json.state")

    def _start_server(self, *options: str) -> subprocess.Popen[bytes]:
        process = self._start(["tuner", "serve", *options], open_files=self._open_files)

        def is_ready() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"tuner serve ended:\n{self._log_tail()}")
            return self.settings.service_path.exists()

        wait_until(is_ready, "the server answers", every_s=0.02)
        return process

    def _log_tail(self) -> str:
        return (self.settings.home / "tuner.log").read_text()[-3000:]

    def _start(
        self, module: list[str], *, open_files: int | None = None, **environ: str
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", *module]
        if open_files is not None:
            command = ["sh", "-c", f'ulimit -n {open_files}; exec "$@"', "sh", *command]
        with (self.settings.home / f"{module[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env={**self._environ, **environ},
                cwd=self.settings.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        return process


@contextlib.contextmanager
def fresh_settings(database_url: str | None = None, **given: str) -> Iterator[Settings]:
    """Yield the settings of an empty home, which is removed afterwards.

    Args:
        database_url: by default SQLite in the home.
        given: other settings, as in the environment.
    """
    home = Path(tempfile.mkdtemp(prefix="tuner-bench-"))
    if database_url:
        given["TUNER_DATABASE_URL"] = database_url
    try:
        yield load_settings({"TUNER_HOME": str(home), **given})
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def running(
    settings: Settings, *, workers: int = 0, open_files: int | None = None
) -> Iterator[Stack]:
    """Yield a running service with so many idle workers; everything ends afterwards."""
    stack = Stack(settings, open_files=open_files)
    try:
        if workers:
            stack.start_workers(workers)
        yield stack
    finally:
        stack.close()


def wait_until(
    is_so: Callable[[], bool], what: str, *, timeout_s: float = START_S, every_s: float = 0.05
) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: it did not come; the text says what was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s in vain: {what}")
        time.sleep(every_s)


def _environ(settings: Settings) -> dict[str, str]:
    own = {key: value for key, value in os.environ.items() if not key.startswith("TUNER_")}
    optional = {"TUNER_REDIS_URL": settings.redis_url, "TUNER_TOKEN": settings.token}
    return {
        **own,
        **{key: value for key, value in optional.items() if value},
        "PYTHONPATH": str(ROOT),
        "TUNER_HOME": str(settings.home),
        "TUNER_DATABASE_URL": settings.database_url,
        "TUNER_LOG_ROOT": str(settings.log_root),
        "TUNER_CHECKPOINT_ROOT": str(settings.checkpoint_root),
    }
