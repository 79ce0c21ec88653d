"""One worker that speaks the protocol, waits for wake-ups and trains nothing.

It does what `workers/agent/worker.py` and `workers/agent/finish_sender.py` do: one kept connection
to the server; a claim that the server may hold back for 0.3 s; without work a blocking wait on RQ's
list in Redis and a sign of life every five seconds; then a trial of some seconds with one or two
reports, beats, the finish, and the files in the log root.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tests.benchmarks.fleet_log import Call, CallKind, FleetLog, Run
from tests.benchmarks.http_wire import HttpConnection
from tuner.protocol import BEAT_S, Assignment, Finished, queue_name
from workers.agent.api import READ_TIMEOUT_S
from workers.agent.outbox import Backoff
from workers.agent.worker import CLAIM_WAIT_S, IDLE_CLAIM_S, POLL_S
from workers.records.files import AttemptFiles
from workers.wake import BLOCK_S

_LIST = f"rq:queue:{queue_name('cpu')}"
#: What matters of these is the order of magnitude.
LOG_PARAMETERS = ("train.learning_rate", "train.weight_decay")
#: The second report speaks of this step; with the first they are two rungs of ASHA.
LAST_STEP = 3
#: The first and the last worker are ready so far apart: each has imported TensorFlow before.
START_S = 5.0


@dataclass(frozen=True, kw_only=True)
class FleetOrder:
    """What a fleet is to do."""

    url: str
    token: str = field(repr=False)
    redis_url: str
    server_pid: int
    workers: int
    log_root: str
    #: Trials of all studies together; the fleet ends with the last.
    trials: int
    #: Mean duration of a trial, seconds; each lasts between half and one and a half of it.
    trial_s: float
    #: The fleet gives up after so long.
    limit_s: float
    seed: int = 1


class Board:
    """What the workers of a fleet share. Mutable: trials come and go."""

    def __init__(self, order: FleetOrder) -> None:
        self.order = order
        self.log = FleetLog(workers=order.workers)
        #: Set with the end of the last trial.
        self.over = asyncio.Event()
        #: Workers that run nothing.
        self.idle = order.workers

    def note_finished(self, run: Run) -> None:
        """Take in the end of an attempt that became its trial's outcome."""
        self.log.runs.append(run)
        if self.log.finished >= self.order.trials:
            self.over.set()


class SimulatedWorker:
    """One worker. Mutable: it works.

    Args:
        board: of its fleet.
        number: from 0.
    """

    def __init__(self, board: Board, number: int) -> None:
        order = board.order
        self._board = board
        self._number = number
        self._random = random.Random(order.seed * 1_000_003 + number)
        self._http = HttpConnection(order.url, order.token)
        # As the workers connect: they know better than the client what to do meanwhile.
        self._redis = Redis.from_url(
            order.redis_url, retry=Retry(NoBackoff(), 0), decode_responses=True
        )
        self._info = {
            "name": f"simulated-{number}",
            "host": "simulated",
            "pid": os.getpid(),
            "device": "cpu",
        }
        self._beat_at = 0.0
        self._backoff = Backoff()

    async def run(self) -> None:
        """Claim, run, finish, claim again; without work, wait."""
        await asyncio.sleep(self._random.uniform(0.0, START_S))
        asked = time.time()
        try:
            # Asked, and not only cancelled: the client of Redis now and then swallows that.
            while not self._board.over.is_set():
                token = self._random.randbytes(16).hex()
                assignment = await self._claim(token)
                if assignment is None:
                    await self._wait()
                    continue
                self._board.idle -= 1
                await self._execute(assignment, token, asked)
                self._board.idle += 1
                asked = time.time()
        finally:
            self._http.close()
            await self._redis.aclose()

    async def _claim(self, token: str) -> dict[str, Any] | None:
        body = {"token": token, "worker": self._info, "wait_s": CLAIM_WAIT_S, "version": 1}
        status, answer = await self._call("empty", "/claim", body, wait_s=CLAIM_WAIT_S)
        return answer if status == 200 else None

    async def _wait(self) -> None:
        """Return at a wake-up or when it is time to ask without one."""
        claim_at = time.monotonic() + IDLE_CLAIM_S
        while time.monotonic() < claim_at:
            if time.monotonic() >= self._beat_at:
                self._beat_at = time.monotonic() + BEAT_S
                await self._call("beat", "/beat", {"worker": self._info, "state": "idle"})
            try:
                woken = await self._redis.blpop([_LIST], timeout=BLOCK_S)
                if woken is not None:
                    await self._redis.delete(f"rq:job:{woken[1]!s}")
                    return
            except (redis.RedisError, OSError):
                await asyncio.sleep(POLL_S)
                return

    async def _execute(self, assignment: dict[str, Any], token: str, asked: float) -> None:
        claimed = time.time()
        attempt = assignment["attempt"]
        files = AttemptFiles(Path(self._board.order.log_root), Assignment.from_json(assignment))
        # In a thread: a disk that is slow to sync must not hold up the other workers.
        await asyncio.to_thread(files.open, assignment["config"], claimed)
        outcome = await self._train(assignment, token, files)
        loss = loss_of(assignment["params"])
        body = {
            "token": token,
            "outcome": outcome,
            "values": [loss] if outcome == "complete" else [],
            "metrics": {"loss": loss, "epoch_s": 1.0} if outcome == "complete" else {},
            "duration_s": time.time() - claimed,
            "exit_status": 0,
        }
        status, answer = await self._call("finish", f"/attempts/{attempt}/finish", body)
        ended = time.time()
        if answer is not None:
            await asyncio.to_thread(files.finish, Finished.from_json(answer))
        files.close()
        if status == 200:
            run = Run(
                attempt=attempt,
                study=assignment["study"],
                worker=self._number,
                asked=asked,
                claimed=claimed,
                ended=ended,
            )
            self._board.note_finished(run)

    async def _train(self, assignment: dict[str, Any], token: str, files: AttemptFiles) -> str:
        """Let the trial's time pass with its reports and beats; return the outcome."""
        attempt, start = assignment["attempt"], time.monotonic()
        length = self._board.order.trial_s * self._random.uniform(0.5, 1.5)
        loss = loss_of(assignment["params"])
        reports = [(start + length / 3, 1)]
        if self._random.random() < 0.5:
            reports.append((start + 2 * length / 3, LAST_STEP))
        held = {"attempt": attempt, "token": token}
        self._beat_at = start + BEAT_S
        while True:
            due = reports[0][0] if reports else start + length
            await asyncio.sleep(max(0.0, min(due, self._beat_at) - time.monotonic()))
            if time.monotonic() >= self._beat_at:
                self._beat_at = time.monotonic() + BEAT_S
                body = {"worker": self._info, "state": "busy", **held}
                _, reply = await self._call("beat", "/beat", body)
            elif reports:
                _, step = reports.pop(0)
                files.add_point(step, loss * (1 + 1 / step), {"epoch_s": 1.0}, time.time())
                point = {"step": step, "value": loss * (1 + 1 / step), "metrics": {"epoch_s": 1.0}}
                body = {"token": token, "points": [point]}
                _, reply = await self._call("report", f"/attempts/{attempt}/report", body)
            else:
                return "complete"
            if reply is not None and reply["order"] == "prune":
                return "pruned"

    async def _call(
        self, kind: CallKind, path: str, body: dict[str, Any], *, wait_s: float = 0.0
    ) -> tuple[int, dict[str, Any] | None]:
        """Send a request until it is answered, as workers do; return status and document."""
        text = json.dumps(body, separators=(",", ":")).encode()
        while True:
            at = time.time()
            status, answer = await self._try(path, text, READ_TIMEOUT_S + wait_s)
            document = json.loads(answer) if answer and status == 200 else None
            if kind == "empty" and document is not None:
                kind = "claim"
            took_s = time.time() - at
            log = self._board.log
            log.calls.append(
                Call(
                    kind=kind,
                    at=at,
                    took_s=took_s,
                    finished=log.finished,
                    status=status,
                    attempt=document["attempt"] if kind == "claim" and document else "",
                )
            )
            if status >= 300:
                log.count_error(f"{kind} {status}")
            if status < 500:
                self._backoff.reset()
                return status, document
            await asyncio.sleep(self._backoff.next_s())

    async def _try(self, path: str, body: bytes, timeout_s: float) -> tuple[int, bytes]:
        """Send a request once; a silent server is a 599."""
        try:
            return await self._http.post(f"/v1{path}", body, timeout_s=timeout_s)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return 599, b""


def loss_of(params: dict[str, Any]) -> float:
    """Return a loss that depends on every parameter, with one best place."""
    total = 0.0
    for name, value in sorted(params.items()):
        if isinstance(value, bool) or not isinstance(value, int | float):
            total += 0.1 * (len(str(value)) % 3)
        elif name in LOG_PARAMETERS:
            total += 0.1 * (math.log10(value) + 3.0) ** 2
        else:
            total += (value / (1.0 + value) - 0.4) ** 2
    return total
