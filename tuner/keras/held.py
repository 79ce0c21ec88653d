"""An attempt in the hands of this process: its lease, its reports, and how it ends.

A thread of its own beats and posts, so that a training of hours keeps its trial. When this process
is killed, the thread is too, the lease ends, and the trial is another process's.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from tuner.errors import SpecError, StudyError, TunerError, UnavailableError
from tuner.keras.service import Service
from tuner.protocol import (
    BEAT_S,
    MAX_METRIC_BYTES,
    REPORT_INTERVAL_S,
    Assignment,
    Beat,
    Finish,
    Finished,
    Order,
    Point,
    Reply,
    Report,
    WorkerInfo,
    dumps,
    encode_number,
    fitting_metrics,
    metrics_size,
)

logger = logging.getLogger(__name__)

#: A service that does not answer is asked again after so long.
RETRY_S = 1.0
#: Of a step and its value in a message, bytes.
_POINT_BYTES = 90


class Held:
    """Keeps an attempt until it has ended.

    Args:
        service: where it was claimed.
        worker: what this process calls itself.
        assignment: the attempt.
        token: of the claim.
    """

    def __init__(
        self, service: Service, worker: WorkerInfo, assignment: Assignment, token: str
    ) -> None:
        self.assignment = assignment
        #: Why the attempt is not this process's any more; empty: it is.
        self.lost = ""
        #: What the service wants.
        self.order: Order = "continue"
        self._service, self._worker, self._token = service, worker, token
        self._points: list[Point] = []
        self._last_step = 0
        self._posted_step = 0
        self._body: str | None = None
        self._began = time.monotonic()
        self._changed = threading.Condition()
        self._ended = False
        self._beat_s = min(BEAT_S, assignment.lease_s / 4)
        self._thread = threading.Thread(target=self._keep, name="tuner-lease", daemon=True)
        self._thread.start()

    @property
    def wants_end(self) -> bool:
        """Whether the training is to end: others do better, or nobody wants its result."""
        return bool(self.lost) or self.order != "continue"

    def report(self, step: int, value: float, metrics: Mapping[str, float]) -> bool:
        """Have a point posted; False: the step does not come after the last one.

        Args:
            step: epochs finished, from 1.
            value: of the study's metric.
            metrics: others of this step; those that fit a message are sent.
        """
        finite = {name: number for name, number in metrics.items() if math.isfinite(number)}
        point = Point(step=step, value=encode_number(value), metrics=fitting_metrics(finite))
        with self._changed:
            if step <= self._last_step or self.lost:
                return False
            self._last_step = step
            self._points.append(point)
            self._changed.notify_all()
        return True

    def wait_judged(self, within_s: float) -> None:
        """Wait until the service has answered the last report, at most so long."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._posted_step >= self._last_step or self.wants_end, within_s
            )

    def finish(self, finish: Finish, say: Callable[[str], None]) -> Finished | None:
        """Hand the result over, however long the service is away; None: it is not wanted any more.

        Args:
            finish: without token, points and duration.
            say: told once why that takes so long.

        Raises:
            UnavailableError: the service was ended on purpose.
        """
        self._stop()
        is_told = False
        while True:
            try:
                self._flush()
                self._body = self._body or self._body_of(finish)
                return self._service.line().finish(self.assignment.attempt, self._body)
            except StudyError as exc:
                self.lost = str(exc)
                return None
            except SpecError as exc:
                if finish.cause == "error":
                    raise
                self._points.clear()
                finish, self._body = _refused(exc), None
            except UnavailableError as exc:
                if not is_told:
                    say(f"the result of trial {self.assignment.trial} waits for the service: {exc}")
                    is_told = True
                time.sleep(RETRY_S)
                self._service.revive()

    def give_back(self) -> None:
        """Let the attempt go: whoever asks next runs the trial again, which costs no budget.

        A result that was being handed over when this process was interrupted is offered once more.
        """
        self._stop()
        if self.lost:
            return
        text = "its process was interrupted"
        body = self._body or self._body_of(
            Finish(token="", outcome="failed", cause="preempted", error=text)
        )
        try:
            self._service.line().finish(self.assignment.attempt, body)
        except TunerError as exc:
            logger.info("not given back; its lease ends", extra={"reason": str(exc)})

    def _flush(self) -> None:
        """Post the points that do not fit into the message with the result."""
        while len(batch := _batch(self._points)) < len(self._points):
            self._take(self._reply(batch), batch)

    def _body_of(self, finish: Finish) -> str:
        whole = dataclasses.replace(
            finish,
            token=self._token,
            points=_batch(self._points),
            duration_s=round(time.monotonic() - self._began, 3),
        )
        return dumps(whole)

    def _stop(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()

    def _keep(self) -> None:
        """Beat and post until the end."""
        beat_at = time.monotonic() + self._beat_s
        post_at = 0.0
        while True:
            with self._changed:
                now = time.monotonic()
                due = min(beat_at, post_at) if self._points else beat_at
                self._changed.wait_for(lambda: self._ended or self._is_new(post_at), due - now)
                if self._ended or self.lost:
                    return
                batch = _batch(self._points)
            now = time.monotonic()
            if batch and now >= post_at:
                post_at = now + (REPORT_INTERVAL_S if self._call(batch) else RETRY_S)
                beat_at = now + self._beat_s
            elif now >= beat_at:
                beat_at = now + (self._beat_s if self._call([]) else RETRY_S)

    def _is_new(self, post_at: float) -> bool:
        return bool(self._points) and time.monotonic() >= post_at

    def _call(self, batch: Sequence[Point]) -> bool:
        """Post points, or give a sign of life; return whether the service has answered."""
        try:
            reply = self._reply(batch)
        except UnavailableError as exc:
            logger.info("not answered", extra={"reason": str(exc)})
            self._look_for_service()
            return False
        except SpecError as exc:
            # Its training is worth going on: the result will be asked.
            logger.warning("the service refused a report of this trial: %s", exc)
            self._take(Reply(), batch)
        except TunerError as exc:
            with self._changed:
                self.lost = str(exc)
                self._changed.notify_all()
        else:
            self._take(reply, batch)
        return True

    def _reply(self, batch: Sequence[Point]) -> Reply:
        line, attempt = self._service.line(), self.assignment.attempt
        if batch:
            return line.report(attempt, Report(token=self._token, points=list(batch)))
        beat = Beat(worker=self._worker, state="busy", attempt=attempt, token=self._token)
        return line.beat(beat)

    def _take(self, reply: Reply, batch: Sequence[Point]) -> None:
        with self._changed:
            del self._points[: len(batch)]
            if batch:
                self._posted_step = batch[-1].step
            if self.order == "continue":
                self.order = reply.order
            self._changed.notify_all()

    def _look_for_service(self) -> None:
        try:
            self._service.revive()
        except TunerError as exc:
            logger.warning("the Tuner service cannot be reached: %s", exc)


def _batch(points: Sequence[Point]) -> list[Point]:
    """Return the first of the points, as many as one message may hold."""
    size = 0
    for number, point in enumerate(points):
        size += _POINT_BYTES + metrics_size(point.metrics)
        if number and size > MAX_METRIC_BYTES:
            return list(points[:number])
    return list(points)


def _refused(exc: SpecError) -> Finish:
    text = f"the service refused the result of this trial: {exc}"
    return Finish(token="", outcome="failed", cause="error", error=text)
