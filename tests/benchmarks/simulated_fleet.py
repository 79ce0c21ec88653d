"""Many simulated workers in one process of its own (`simulated_worker.py`).

`python -m tests.benchmarks.simulated_fleet LOG` reads its order from standard input.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.fleet_log import FleetLog
from tests.benchmarks.simulated_worker import Board, FleetOrder, SimulatedWorker
from tests.benchmarks.stack import ROOT

SAMPLE_S = 1.0
SAY_S = 15.0


class SimulatedFleet:
    """The workers, and somebody who watches the server. Mutable: they work."""

    def __init__(self, order: FleetOrder) -> None:
        self.board = Board(order)

    async def run(self) -> FleetLog:
        """Work until all trials have finished.

        Raises:
            TimeoutError: they have not within the limit.
        """
        order, log = self.board.order, self.board.log
        workers = [SimulatedWorker(self.board, number) for number in range(order.workers)]
        tasks = [asyncio.create_task(worker.run()) for worker in workers]
        tasks += [asyncio.create_task(self._watch())]
        try:
            async with asyncio.timeout(order.limit_s):
                ended = asyncio.create_task(self.board.over.wait())
                await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task.done():
                        task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            log.sample(order.server_pid, idle=self.board.idle, lag_s=0.0)
        return log

    async def _watch(self) -> None:
        """Look at the server, and at this process: a late loop spoils every figure."""
        order, log = self.board.order, self.board.log
        said = time.monotonic()
        while True:
            lag_s = 0.0
            due = time.monotonic() + SAMPLE_S
            while (now := time.monotonic()) < due:
                await asyncio.sleep(0.05)
                lag_s = max(lag_s, time.monotonic() - now - 0.05)
            log.sample(order.server_pid, idle=self.board.idle, lag_s=lag_s)
            if now > said + SAY_S:
                said = now
                print(f"  {log.finished} of {order.trials} trials", flush=True)


def run_fleet(order: FleetOrder, log: Path) -> FleetLog:
    """Run a fleet in a process of its own; return what it saw.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.simulated_fleet", str(log)],
        input=json.dumps(asdict(order)),
        cwd=ROOT,
        text=True,
        check=True,
    )
    return FleetLog.load(log)


def _main(log: Path) -> None:
    fleet = SimulatedFleet(FleetOrder(**json.loads(sys.stdin.read())))
    try:
        asyncio.run(fleet.run())
    finally:
        fleet.board.log.save(log)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
