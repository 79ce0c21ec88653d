"""Real workers of a real server for the tests of causes, and what these tests ask of both."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.workers_process import Started
from tests.support.patience import clock, wait_until
from tests.support.service_process import TOKEN, ServiceProcess
from tests.support.study_lab import Lab
from tuner.roots import Place
from tuner.tfevents import RunEvents, read_run

CASES = [
    "good", "raises", "exits", "says_exit", "aborts", "segfaults", "nan", "inf", "minus_inf",
    "exceeds_its_limit", "has_no_device", "hogs", "hangs_in_c", "is_slow", "waits", "checkpoints",
    "fills_the_log_root", "keras_checkpoints", "keras_diverges", "keras_exhausts",
]  # fmt: skip


class ServerAddress:
    """Where the server is, as `Started` asks for it."""

    token = TOKEN

    def __init__(self, service: ServiceProcess) -> None:
        self.url = service.url


class Fleet:
    """The workers of one study, or of several with the same image. Closed by `closing`."""

    def __init__(self, service: ServiceProcess) -> None:
        self.service = service
        self.image = f"team/train@sha256:{secrets.token_hex(32)}"
        self.workers: dict[str, Started] = {}
        self._labs: list[Lab] = []

    def start(
        self, label: str, *arguments: str, preimport: str = "none", **environ: str
    ) -> Started:
        """Start a worker on the server's own roots, and return it when the server knows it."""
        worker = self.launch(label, *arguments, preimport=preimport, **environ)
        worker.wait_log("worker ready", 60)
        name = self.name_of(worker)
        wait_until(lambda: name in self.known(), f"{name} is not known", seconds=30)
        return worker

    def launch(
        self, label: str, *arguments: str, preimport: str = "none", **environ: str
    ) -> Started:
        """Start a worker without waiting for it."""
        name = f"{label}-{secrets.token_hex(3)}"
        home = self.service.home
        environ = {
            "TUNER_IMAGE": self.image,
            "TUNER_LOG_ROOT": str(home / "logs"),
            "TUNER_CHECKPOINT_ROOT": str(home / "checkpoints"),
            "TF_CPP_MIN_LOG_LEVEL": "2",
            **environ,
        }
        command = ["run", f"--name={name}", f"--preimport={preimport}", *arguments]
        self.workers[name] = Started(command, home / name, ServerAddress(self.service), **environ)
        return self.workers[name]

    def name_of(self, worker: Started) -> str:
        return next(name for name, other in self.workers.items() if other is worker)

    def submit(self, *cases: str, code: bytes | str | None = None, **changes: Any) -> Lab:
        """Submit a study whose first trials are these cases; its budget is their number.

        Args:
            cases: of `cause_trials`.
            code: a snapshot that its trials are to run, or the hash of one that is there.
            changes: of the spec.
        """
        lab = Lab(self.service)
        lab.image = self.image
        self._labs.append(lab)
        digest = hashlib.sha256(code).hexdigest() if isinstance(code, bytes) else code
        if isinstance(code, bytes):
            answer = self.service.call("PUT", f"/code/{digest}", content=code)
            assert answer.is_success, answer.text
        spec = lab.spec(
            **{
                "objective": "cause_trials:train",
                "search_space": {
                    "case": {"type": "categorical", "values": CASES},
                    "x": {"type": "float", "low": 0.0, "high": 1.0},
                },
                "start_with": [{"case": case, "x": n / 100} for n, case in enumerate(cases)],
                "budget": {"trials": len(cases)},
                "parallel": 1,
                **changes,
            }
        )
        self.service.post("/studies", {"spec": spec, "code": digest})
        return lab

    def known(self) -> dict[str, dict[str, Any]]:
        """Return what the server says of each worker."""
        return {row["name"]: row for row in self.service.get("/workers")}

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()
        for lab in self._labs:
            lab.close()


@contextlib.contextmanager
def open_fleet(service: ServiceProcess) -> Iterator[Fleet]:
    """Yield a fleet without workers; end those it was given."""
    fleet = Fleet(service)
    try:
        yield fleet
    finally:
        fleet.close()


def attempts(lab: Lab, number: int = 0) -> list[dict[str, Any]]:
    """Return the attempts of a trial that were begun."""
    listed: list[dict[str, Any]] = lab.show(number)["attempt_list"]
    return [attempt for attempt in listed if attempt["started"] is not None]


def wait_attempt(lab: Lab, no: int, cause: str | None, timeout_s: float = 30.0) -> dict[str, Any]:
    """Return the `no`-th attempt of the first trial once it has ended with `cause`."""

    def ended() -> dict[str, Any] | None:
        listed = lab.show(0)["attempt_list"] if lab.trials() else []
        done = [a for a in listed if a["attempt"] == no and a["finished"] is not None]
        return done[0] if done else None

    attempt: dict[str, Any] = lab.wait(ended, f"attempt {no} ends", timeout_s)
    assert attempt["cause"] == cause, attempt
    return attempt


def wait_running(lab: Lab, no: int, file: str = "pid") -> tuple[dict[str, Any], int]:
    """Return the `no`-th attempt once its trial's process has said its number, and the number."""

    def running() -> tuple[dict[str, Any], int] | None:
        listed = attempts(lab) if lab.trials() else []
        for attempt in listed:
            path = lab.service.log_root / attempt["run_dir"] / file
            if attempt["attempt"] == no and path.exists() and path.read_text():
                return attempt, int(path.read_text())
        return None

    found: tuple[dict[str, Any], int] = lab.wait(running, f"attempt {no} runs")
    return found


def read_record(lab: Lab, attempt: dict[str, Any]) -> dict[str, Any]:
    """Return `trial.json` of an attempt."""
    path = lab.service.log_root / attempt["run_dir"] / "trial.json"
    lab.wait(path.exists, "trial.json is written")
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def drawn(lab: Lab, attempt: dict[str, Any]) -> RunEvents:
    """Return what TensorBoard has of an attempt."""
    return read_run(Place(lab.service.log_root / attempt["run_dir"]))


class SmallDisk:
    """A file system of its own, of a few megabytes, that may be filled or made read-only."""

    def __init__(self, folder: Path, size: str) -> None:
        self.folder = folder
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("needs root and the right to mount a tmpfs")

    def fill(self, *, leave: int) -> None:
        """Take all room but `leave` bytes."""
        free = os.statvfs(self.folder)
        with (self.folder / "filler").open("wb") as file:
            file.write(bytes(free.f_bavail * free.f_frsize - leave))

    def free(self) -> None:
        (self.folder / "filler").unlink()

    def remount(self, mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.folder)], check=True)

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


class MemoryGroup:
    """A memory control group of the kernel, version 1 or 2."""

    def __init__(self, limit_bytes: int) -> None:
        self.folder = self._make()
        for name in ("memory.limit_in_bytes", "memory.max"):
            self._set(name, str(limit_bytes))
        # Pages that are moved to a disk would not count.
        self._set("memory.swappiness", "0")
        self._set("memory.swap.max", "0")

    def enter(self, pid: int) -> None:
        """Move a process, and what it will fork, into the group."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def close(self) -> None:
        deadline = clock() + 10
        while True:
            try:
                self.folder.rmdir()
            except OSError:
                # The kernel needs a moment to see that the last process is gone.
                if clock() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def _make(self) -> Path:
        name = f"tuner-test-{secrets.token_hex(4)}"
        for parent in _group_parents():
            folder = parent / name
            with contextlib.suppress(OSError):
                (parent / "cgroup.subtree_control").write_text("+memory")
            try:
                folder.mkdir()
            except OSError:
                continue
            if any((folder / f).exists() for f in ("memory.limit_in_bytes", "memory.max")):
                return folder
            folder.rmdir()
        pytest.skip("needs the right to make a memory control group")

    def _set(self, name: str, value: str) -> None:
        if (self.folder / name).exists():
            (self.folder / name).write_text(value)


def _group_parents() -> list[Path]:
    """Return where a group may be made: below this process' own, else below the root."""
    root = Path("/sys/fs/cgroup")
    own = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        own[controllers] = group.lstrip("/")
    if "memory" in own:
        return [root / "memory" / own["memory"], root / "memory"]
    return [root / own.get("", ""), root]
