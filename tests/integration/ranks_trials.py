"""Trials of several processes; imported by them, and run as the launcher that starts them."""

# ruff: noqa: T201 - what they print is what is tested

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

from workers import Run, launch_ranks

RANKS = 3


def train(run: Run) -> Any:
    """Start three ranks, as torchrun does, by the launcher below."""
    try:
        return launch_ranks(run, work, ranks=RANKS, command=[sys.executable, __file__, str(RANKS)])
    finally:
        print("ENDED")


def fails_to_launch(run: Run) -> Any:
    return launch_ranks(
        run, work, command=[sys.executable, "-c", "raise SystemExit('no such GPU')"]
    )


def work(run: Run) -> dict[str, Any]:
    """Be one rank; what it does is the trial's `case`."""
    rank = int(os.environ["RANK"])
    partial = run.logdir / f"rank{rank}.partial"
    partial.write_text(
        json.dumps({"pid": os.getpid(), "params": run.params, "devices": run.devices})
    )
    # Whole or not at all: the test reads while the ranks start.
    partial.replace(run.logdir / f"rank{rank}")
    case = run.params["case"]
    if case == "raises" and rank == 1:
        raise ValueError("no such layer")
    if case == "dies" and rank == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if case == "waits" or (case in ("raises", "dies") and rank != 0):
        for step in range(1, 10_000):
            run.report(step, float(rank))
            time.sleep(0.02)
    if case in ("raises", "dies"):
        time.sleep(60)
    for step in (1, 2, 3):
        # Only rank 0 speaks for the trial.
        run.report(step, step + 100.0 * rank)
    return {"score": 0.5 + rank, "rank": rank}


def main(count: int, command: list[str]) -> int:
    """Start the ranks; when one fails, end the others and say how, in torchrun's words."""
    ranks = [
        subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": str(count)},
            # So does torchrun: a signal for the trial's group does not reach them.
            start_new_session=True,
        )
        for rank in range(count)
    ]
    signal.signal(signal.SIGTERM, lambda *_: _end(ranks))
    while any(rank.poll() is None for rank in ranks):
        failed = [rank for rank in ranks if rank.poll()]
        if failed:
            status = failed[0].returncode
            if status < 0:
                name = signal.Signals(-status).name
                print(f"Signal {-status} ({name}) received by PID {failed[0].pid}", flush=True)
            _end(ranks)
        time.sleep(0.02)
    return 0


def _end(ranks: list[subprocess.Popen[bytes]]) -> None:
    for rank in ranks:
        rank.terminate()
    for rank in ranks:
        rank.wait()
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
