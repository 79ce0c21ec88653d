"""A real `tuner board`, as a person starts it, in a session of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.board.tensorboard_api import TensorBoard
from tests.support.patience import clock

_ROOT = Path(__file__).parents[3]
_READY = "Ctrl-C ends it"


@contextlib.contextmanager
def open_tuner_board(
    home: Path, *target: str | Path, timeout_s: float = 120.0
) -> Iterator[TensorBoard]:
    """Run `tuner board TARGET` while the context is open.

    Args:
        home: is its TUNER_HOME.
        target: a study, a project or a folder; nothing: all studies.
        timeout_s: of its start, in seconds of `tests.support.patience`.

    Raises:
        RuntimeError: it did not start; the text holds what it said.
    """
    port = _free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TUNER_")}
    log = home.with_name(f"{home.name}.board.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tuner", "board", *map(str, target), "--port", str(port)],
            env=kept | {"TUNER_HOME": str(home), "PYTHONPATH": str(_ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = clock() + timeout_s
        while _READY not in (said := log.read_text(errors="replace")):
            if process.poll() is not None or clock() > deadline:
                raise RuntimeError(f"`tuner board` did not start: {said[-2000:]}")
            time.sleep(0.05)
        yield TensorBoard(f"http://127.0.0.1:{port}", process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def family_mb(pid: int) -> float:
    """Return the resident memory of a process and of all that descend from it, in MB (10^6 bytes).

    What they share is counted once: by its proportional share.
    """
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text()
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(_proportional_mb(member) for member in family)


def _proportional_mb(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
