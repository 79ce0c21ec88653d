"""Tests whether this worker could run a trial: its device, its folders, its memory.

The test is a fresh interpreter with the environment of a trial, so the worker's own memory cannot
hide a fault, and a driver that hangs or crashes affects only that process. That interpreter is
`python -m workers.agent.selftest`: it reads settings as JSON and prints the result.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import mmap
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.roots import Place
from workers.agent.context import WorkerContext
from workers.backends.probe import ProbeError, probe_backend
from workers.failures.causes import describe_exit
from workers.host.devices import DeviceError, check_gpus
from workers.host.interpreter import python_command, scrubbed
from workers.host.linux import die_with_parent, kill_group

logger = logging.getLogger(__name__)

TIME_LIMIT_S = 60.0
#: Larger than what a file system stores inside a directory entry, so that blocks are allocated.
PROBE_BYTES = 65_536
#: Minimum memory that a small trial needs.
MEMORY_BYTES = 64 << 20


class SelfTestError(Exception):
    """A trial would fail here; the text says why."""


@dataclass(frozen=True, kw_only=True)
class SelfTestTask:
    """The settings of a test, as plain JSON values."""

    parent: int
    #: UUIDs of its GPUs; empty for a CPU worker.
    gpus: list[str]
    #: Folders to write to, by the names that users know.
    folders: dict[str, str]
    #: The Keras backend of the trials here, which must compute on the device.
    backend: str | None


class SelfTest:
    """A running self-test. Mutable: it ends."""

    def __init__(self, post: WorkerContext) -> None:
        self._deadline = time.monotonic() + TIME_LIMIT_S
        self._process: subprocess.Popen[bytes] | None = None
        task = SelfTestTask(
            parent=os.getpid(),
            gpus=post.info.device_ids,
            folders={
                "log root": str(post.log_root),
                "checkpoint root": str(post.checkpoint_root),
                "code cache": str(post.code.root),
            },
            backend=post.forks.imported.backend,
        )
        self._problem = self._start(task)

    def result(self) -> str | None:
        """Return what is wrong, an empty text if nothing is, or None while the test runs."""
        process = self._process
        if process is None:
            return self._problem
        if process.poll() is None:
            if time.monotonic() < self._deadline:
                return None
            self._problem = f"the self-test did not end within {TIME_LIMIT_S:g} s"
        else:
            self._problem = _read_result(process)
        self.close()
        return self._problem

    def close(self) -> None:
        """End the test if it is still running."""
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                kill_group(process.pid)
                process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def _start(self, task: SelfTestTask) -> str:
        """Start the process; return the reason if it cannot be started."""
        try:
            _try_fork()
            self._process = subprocess.Popen(
                [*python_command(), "workers.agent.selftest"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=scrubbed(os.environ),
                start_new_session=True,
            )
            if self._process.stdin is not None:
                with self._process.stdin as stdin:
                    stdin.write(json.dumps(dataclasses.asdict(task)).encode())
        except OSError as exc:
            self.close()
            return f"no process can be started: {exc}"
        return ""


def _try_fork() -> None:
    """Fork as for a trial, and do nothing.

    Raises:
        OSError: there is no memory, or no pid, for one more process.
    """
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _read_result(process: subprocess.Popen[bytes]) -> str:
    """Return the problem that the ended process has found, or that ended it."""
    output = process.stdout.read() if process.stdout is not None else b""
    try:
        return str(json.loads(output.splitlines()[-1])["problem"])
    except (ValueError, IndexError, KeyError, TypeError):
        status = process.returncode
        return "self-test: " + describe_exit(status).removeprefix("the trial's process ")


def run_checks(task: SelfTestTask) -> str:
    """Run all checks in this process; return what is wrong, empty if nothing is."""
    try:
        check_gpus(task.gpus)
        for name, folder in task.folders.items():
            _check_folder(name, Path(folder))
        _check_memory()
        if task.backend is not None:
            probe_backend(task.backend, len(task.gpus))
    except (SelfTestError, ProbeError, DeviceError) as exc:
        return str(exc)
    # A backend and the drivers below it may raise anything, and each error is a result.
    except Exception as exc:  # noqa: BLE001
        return f"{type(exc).__name__}: {exc}"[:1000]
    return ""


def _check_folder(name: str, folder: Path) -> None:
    probe = os.urandom(1024) * (PROBE_BYTES // 1024)
    file_name = f".tuner-selftest-{os.urandom(8).hex()}"
    try:
        with Place(folder).open(make=True) as opened:
            try:
                opened.replace(file_name, probe)
                found = opened.read(file_name, PROBE_BYTES)
            finally:
                opened.remove(file_name)
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise SelfTestError(f"{name} {folder} cannot be written: {reason}") from exc
    if found != probe:
        raise SelfTestError(f"{name} {folder}: what is written there does not come back")


def _check_memory() -> None:
    try:
        with mmap.mmap(-1, MEMORY_BYTES) as memory:
            # Touched page by page: memory may be promised without being available.
            for start in range(0, MEMORY_BYTES, mmap.PAGESIZE):
                memory[start] = 1
    except OSError as exc:
        raise SelfTestError(f"{MEMORY_BYTES >> 20} MB of memory cannot be had: {exc}") from exc


def _main() -> None:
    task: dict[str, Any] = json.load(sys.stdin)
    die_with_parent(task["parent"])
    answer = os.dup(1)
    # Output of libraries must not mix with the answer.
    os.dup2(2, 1)
    problem = run_checks(SelfTestTask(**task))
    with contextlib.suppress(OSError):
        os.write(answer, json.dumps({"problem": problem}).encode() + b"\n")
    # Exit handlers of TensorFlow's threads may hang.
    os._exit(0)


if __name__ == "__main__":
    _main()
