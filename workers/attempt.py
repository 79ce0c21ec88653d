"""One attempt under its worker's eyes: from the claim to the accepted finish."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tuner.errors import FencedError, UnavailableError
from tuner.protocol import (
    BEAT_S,
    Assignment,
    Beat,
    Cause,
    Finish,
    Finished,
    Point,
    Reply,
    WorkerInfo,
    dumps,
    encode_number,
)
from workers.api import MissingCodeError, WorkerApi
from workers.code_cache import CodeCache, CodeError
from workers.devices import DeviceError, check_gpu
from workers.environment import Environment
from workers.failure import describe_exit
from workers.files import AttemptFiles
from workers.guard import ForkGuard
from workers.leave import Leave
from workers.outbox import Backoff, Outbox
from workers.session import Word
from workers.task import Task
from workers.trial_process import TrialProcess, start_process

logger = logging.getLogger(__name__)

#: From the word to stop until the process is killed.
GRACE_S = 10.0
#: A process that has sent its result has nothing left to do.
EXIT_S = 5.0
#: After a signal to leave, results are offered to a silent server for so long.
LAST_OFFER_S = 13.0
_WAIT_S = 1.0

_STOPPED = {
    "cancelled": "cancelled",
    "timeout": "over the time limit",
    "preempted": "the worker was asked to leave",
}
StopCause = Literal["cancelled", "timeout", "preempted"]


@dataclass(kw_only=True)
class Post:
    """Where attempts are executed: what all of a worker's attempts have in common.

    Mutable, because the server may ask this worker to leave with any answer.
    """

    api: WorkerApi
    info: WorkerInfo
    environment: Environment
    code: CodeCache
    guard: ForkGuard
    leave: Leave
    log_root: Path
    checkpoint_root: Path
    preimport: bool
    beat_s: float = BEAT_S
    #: The server wants this worker to leave after the attempt it runs.
    drain: bool = False
    #: Called with the process id of a trial that starts, and with None when it has ended.
    on_trial: Any = field(default=lambda _pid: None)


class Attempt:
    """Executes one assignment. Mutable: it goes through its life once.

    Args:
        post: of the worker.
        assignment: what to run.
        token: of the claim.
    """

    def __init__(self, post: Post, assignment: Assignment, token: str) -> None:
        self._post = post
        self._assignment = assignment
        self._token = token
        self._files = AttemptFiles(post.log_root, assignment)
        self._outbox = Outbox(post.api, assignment.attempt, token)
        self._started = time.monotonic()
        self._beat_at = self._started + post.beat_s
        self._end: dict[str, Any] | None = None
        self._word: Word = "continue"
        self._step = 0
        self._told: tuple[Word, int] = ("continue", 0)
        self._stop: StopCause | None = None
        self._kill_at = math.inf

    def run(self) -> Finished | None:
        """Run the attempt; None when it was fenced, or its result could not be handed over."""
        try:
            finish = self._prepare_and_conduct()
            return self._hand_over(finish)
        except FencedError as exc:
            logger.warning("attempt fenced", extra={**self._facts(), "reason": str(exc)})
            return None
        finally:
            self._files.close()

    def _prepare_and_conduct(self) -> Finish:
        try:
            task = self._prepare()
        except OSError as exc:
            return self._failed("storage", f"the trial was not started: {exc}")
        except (CodeError, MissingCodeError, DeviceError) as exc:
            return self._failed("rejected", str(exc))
        if task is None:
            return self._failed("preempted", "the worker was asked to leave before the start")
        fork = self._post.info.isolation == "fork" and self._post.guard.may_fork()
        process = start_process(task, fork=fork, forget=self._post.api.forget)
        self._post.on_trial(process.pid)
        logger.info("trial started", extra={**self._facts(), "pid": process.pid, "fork": fork})
        try:
            self._watch(process)
        finally:
            process.close()
            self._post.on_trial(None)
        return self._describe_end(process)

    def _prepare(self) -> Task | None:
        """Write the first files and fetch the code; None when the worker must leave meanwhile."""
        post = self._post
        if post.info.device_id is not None:
            check_gpu(post.info.device_id)
        code_root = self._fetch_code()
        if post.leave.requested:
            return None
        self._files.open(post.environment.config(self._assignment), time.time())
        return Task.of(
            self._assignment,
            code_root=code_root,
            log_root=post.log_root,
            checkpoint_root=post.checkpoint_root,
            preimport=post.preimport,
        )

    def _fetch_code(self) -> Path | None:
        if self._assignment.code is None:
            return None
        backoff = Backoff()
        while not self._post.leave.requested:
            try:
                return self._post.code.folder(self._assignment.code)
            except UnavailableError:
                self._post.leave.sleep(backoff.next_s())
                self._beat_if_due()
        return None

    def _watch(self, process: TrialProcess) -> None:
        """Serve the process until it is dead.

        Raises:
            FencedError: the server has given the attempt to another worker.
        """
        deadline = math.inf
        if self._assignment.timeout_s is not None:
            deadline = time.monotonic() + self._assignment.timeout_s
        while not process.has_ended():
            wake_at = min(deadline, self._kill_at, self._beat_at, self._outbox.due_at())
            process.wait(min(_WAIT_S, wake_at - time.monotonic()), self._post.leave.fileno())
            self._take(process)
            if time.monotonic() >= deadline:
                deadline = math.inf
                self._request_stop("timeout")
            self._mind_leave(process)
            if reply := self._beat_if_due():
                self._heed(reply)
            self._tell_news(process)
            if time.monotonic() >= self._kill_at:
                process.kill()
            self._files.rotate_output()
        self._take(process)

    def _take(self, process: TrialProcess) -> None:
        """Take in what the process sent, and post what is due."""
        for message in process.messages():
            if message.get("kind") == "point":
                self._take_point(message)
            elif message.get("kind") == "end":
                self._end = message
                self._kill_at = min(self._kill_at, time.monotonic() + EXIT_S)
        # Points that come with the end travel with the finish.
        if self._end is None and self._outbox.due_at() <= time.monotonic():
            reply = self._outbox.post(time.monotonic())
            if reply is not None:
                self._heed(reply)

    def _take_point(self, message: dict[str, Any]) -> None:
        value, metrics = float(message["value"]), message["metrics"]
        self._step = message["step"]
        finite = {name: number for name, number in metrics.items() if math.isfinite(number)}
        self._outbox.points.append(
            Point(step=self._step, value=encode_number(value), metrics=finite)
        )
        self._files.add_point(self._step, value, metrics, message["time"])

    def _tell_news(self, process: TrialProcess) -> None:
        """Answer the newest report, and pass on a word that has changed."""
        news = self._word, self._step
        if news != self._told:
            self._told = news
            process.tell(*news)

    def _heed(self, reply: Reply) -> None:
        self._post.drain = self._post.drain or reply.drain
        if reply.order == "cancel":
            self._request_stop("cancelled")
        elif reply.order == "prune" and self._word == "continue":
            self._word = "prune"

    def _mind_leave(self, process: TrialProcess) -> None:
        leave = self._post.leave
        leave.clear()
        if leave.requested:
            self._request_stop("preempted")
        if leave.forced:
            process.kill()

    def _request_stop(self, cause: StopCause) -> None:
        """Tell the trial to end; it is killed when it has not after `GRACE_S`."""
        if self._stop is not None or self._end is not None:
            return
        self._stop = cause
        self._word = "preempt" if cause == "preempted" else "cancel"
        self._kill_at = time.monotonic() + GRACE_S
        logger.info("trial asked to end", extra={**self._facts(), "cause": cause})

    def _describe_end(self, process: TrialProcess) -> Finish:
        """Return the finish that this end means."""
        status, end = process.status, self._end
        if self._stop in ("cancelled", "timeout"):
            return self._failed(self._stop, self._stop_text(), status)
        if end is not None:
            return Finish(
                token=self._token,
                outcome=end["outcome"],
                values=[encode_number(value) for value in end.get("values", [])],
                metrics={k: v for k, v in end.get("metrics", {}).items() if math.isfinite(v)},
                cause=end.get("cause"),
                error=end.get("error", "") or _STOPPED.get(end.get("cause") or "", ""),
                points=self._outbox.points,
                duration_s=self._duration_s(),
                exit_status=status,
            )
        if self._stop is not None:
            return self._failed(self._stop, self._stop_text(), status)
        text = describe_exit(status if status is not None else 0)
        if process.died_of_memory():
            return self._failed("oom", f"{text}: the kernel killed it for memory", status)
        if process.was_killed:
            return self._failed(
                "error", "the trial's process broke off its channel and was killed", status
            )
        return self._failed("lost" if status == -9 else "error", text, status)

    def _stop_text(self) -> str:
        limit = f" ({self._assignment.timeout_s:g} s)" if self._stop == "timeout" else ""
        return _STOPPED[self._stop or "cancelled"] + limit

    def _failed(self, cause: Cause, error: str, status: int | None = None) -> Finish:
        return Finish(
            token=self._token,
            outcome="failed",
            cause=cause,
            error=error,
            points=self._outbox.points,
            duration_s=self._duration_s(),
            exit_status=status,
        )

    def _hand_over(self, finish: Finish) -> Finished | None:
        """Offer the finish until the server answers; the body stays the same."""
        body, backoff, leave = dumps(finish), Backoff(), self._post.leave
        while True:
            try:
                finished = self._post.api.finish(self._assignment.attempt, body)
            except UnavailableError as exc:
                logger.warning("finish not answered", extra={**self._facts(), "reason": str(exc)})
            else:
                break
            leave.sleep(backoff.next_s())
            self._beat_if_due()
            asked_at = leave.requested_at
            if leave.forced or (
                asked_at is not None and time.monotonic() > asked_at + LAST_OFFER_S
            ):
                logger.error("result not handed over", extra=self._facts())
                return None
        logger.info(
            "trial ended",
            extra={**self._facts(), "outcome": finish.outcome, "cause": finish.cause},
        )
        self._files.finish(finished)
        return finished

    def _beat_if_due(self) -> Reply | None:
        """Beat when it is time; None when it is not, or nobody answers.

        Raises:
            FencedError: the attempt is no longer this worker's.
        """
        now = time.monotonic()
        if now < self._beat_at:
            return None
        self._beat_at = now + self._post.beat_s
        beat = Beat(
            worker=self._post.info,
            state="stopping" if self._post.leave.requested else "busy",
            attempt=self._assignment.attempt,
            token=self._token,
        )
        try:
            return self._post.api.beat(beat)
        except UnavailableError:
            self._beat_at = time.monotonic() + 1.0
            return None

    def _duration_s(self) -> float:
        return round(time.monotonic() - self._started, 3)

    def _facts(self) -> dict[str, Any]:
        a = self._assignment
        return {"study": a.study, "trial": a.trial, "attempt": a.attempt}
