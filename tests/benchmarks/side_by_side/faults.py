"""What happens when a worker is killed, and when a search that was killed is started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.side_by_side.sides import Search, Side, search

TRIALS = 10
#: The fault comes when so many trainings have begun.
AT = 4
#: A search that has not ended so long after its last training began is taken to hang.
GIVE_UP_S = 150.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a search went on after a fault."""

    side: Side
    #: Seconds from the fault to the end; None: it did not end within `GIVE_UP_S` of silence.
    ended_s: float | None
    #: Whole trainings, of `TRIALS`; more than one of the same configuration counts once.
    trained: int
    #: Trainings that were begun for it.
    begun: int
    #: The end of what was printed, where it did not end well.
    said: str = ""


def killed_worker(side: Side) -> Outcome:
    """Kill one of two workers in the middle of a training, as a host that dies."""
    with search(side, TRIALS, seed=1, workers=2) as found:
        others = _stock_cluster(found) if found.is_stock else []
        try:
            if not found.is_stock:
                found.start()
            _wait_begun(found, AT)
            victim = int(found.notes()[-1]["pid"])
            if not found.is_stock:
                # The training has a process of its own: its worker dies with it.
                os.kill(_parent(victim), signal.SIGKILL)
            os.kill(victim, signal.SIGKILL)
            return _outcome(found, time.time())
        finally:
            for other in others:
                other.kill()
                other.wait()


def started_again(side: Side) -> Outcome:
    """Kill everything in the middle of a training, and give the same command again."""
    with search(side, TRIALS, seed=1) as found:
        found.start()
        _wait_begun(found, AT)
        found.end(signal.SIGKILL)
        killed = time.time()
        found.start()
        return _outcome(found, killed)


def _outcome(found: Search, since: float) -> Outcome:
    process = found.process
    if process is None:
        raise RuntimeError("the search was not started")
    heard, seen = time.time(), len(found.notes())
    while process.poll() is None and time.time() - heard < GIVE_UP_S:
        time.sleep(0.2)
        if len(found.notes()) != seen:
            heard, seen = time.time(), len(found.notes())
    ended = process.poll() is not None
    trained = {repr(sorted(t.values.items())) for t in found.trainings() if t.epochs}
    is_well = ended and process.returncode == 0
    return Outcome(
        side=found.side,
        ended_s=time.time() - since if ended else None,
        trained=len(trained),
        begun=sum(note["event"] == "begin" for note in found.notes()),
        said="" if is_well else found.output.strip()[-300:],
    )


def _wait_begun(found: Search, count: int) -> None:
    _wait(lambda: sum(note["event"] == "begin" for note in found.notes()) >= count, found)
    # In the middle of it.
    time.sleep(1.0)


def _wait(holds: Callable[[], bool], found: Search) -> None:
    deadline = time.time() + 600
    while not holds():
        if time.time() > deadline:
            raise TimeoutError(f"{found.side}: {found.output[-2000:]}")
        time.sleep(0.1)


def _stock_cluster(found: Search) -> list[subprocess.Popen[bytes]]:
    """Start KerasTuner's chief, which is the search's process, and two workers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    where = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": port}
    found.start(**where, KERASTUNER_TUNER_ID="chief")
    names = [f"tuner{number}" for number in range(found.workers)]
    return [found.spawn(f"{name}.txt", {**where, "KERASTUNER_TUNER_ID": name}) for name in names]


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
