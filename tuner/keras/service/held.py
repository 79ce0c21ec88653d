"""An attempt that this process holds: its lease, its reports, and its end.

A separate thread beats and posts, so that a training of hours keeps its trial. When this process is
killed, the thread ends with it, the lease expires, and another process gets the trial.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tuner.errors import SpecError, StudyError, TunerError, UnavailableError
from tuner.keras.service.link import ServiceLink
from tuner.protocol import (
    BEAT_S,
    MAX_METRIC_BYTES,
    REPORT_INTERVAL_S,
    Assignment,
    Beat,
    Finish,
    Finished,
    Found,
    Order,
    Point,
    Reply,
    Report,
    WorkerInfo,
    dumps,
    encode_number,
    fitting_found,
    fitting_metrics,
    found_problem,
    metrics_size,
)

logger = logging.getLogger(__name__)

#: Seconds before a service that does not answer is asked again.
RETRY_S = 1.0
#: Upper estimate of the size of a step and its value in a message, in bytes.
_POINT_BYTES = 90


@dataclass(frozen=True, kw_only=True)
class _News:
    """What one message reports about a trial."""

    points: list[Point] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    #: Whether nothing is left to send after it.
    is_all: bool = True

    def __bool__(self) -> bool:
        return bool(self.points or self.found)


_NOTHING = _News()


class Held:
    """Keeps an attempt until it has ended.

    Args:
        service: where it was claimed.
        worker: the name of this process.
        beat_s: the interval of beats in seconds.
    """

    def __init__(
        self,
        service: ServiceLink,
        worker: WorkerInfo,
        assignment: Assignment,
        token: str,
        beat_s: float = BEAT_S,
    ) -> None:
        self.assignment = assignment
        #: Why the attempt no longer belongs to this process; empty: it does.
        self.lost = ""
        #: Whether this process must take no further trial.
        self.is_drained = False
        #: The service's latest order.
        self.order: Order = "continue"
        self._service, self._worker, self._token = service, worker, token
        self._points: list[Point] = []
        self._found: list[Found] = []
        self._told: set[str] = set()
        self._last_step = 0
        self._posted_step = 0
        self._body: str | None = None
        self._began = time.monotonic()
        self._changed = threading.Condition()
        self._ended = False
        self._beat_s = beat_s
        self._thread = threading.Thread(target=self._keep, name="tuner-lease", daemon=True)
        self._thread.start()

    @property
    def wants_end(self) -> bool:
        """Whether to end the training: others do better, or its result is no longer wanted."""
        return bool(self.lost) or self.order != "continue"

    def report(self, step: int, value: float, metrics: Mapping[str, float]) -> bool:
        """Queue a point for posting; False if the step does not come after the last one.

        Args:
            step: epochs finished, from 1.
            metrics: others of this step; those that fit into a message are sent.
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

    def meet(self, found: Sequence[Found]) -> None:
        """Queue hyperparameters that the trial has found; each is sent once."""
        with self._changed:
            for item in found:
                if found_problem(item) is None and item.name not in self._told:
                    self._told.add(item.name)
                    self._found.append(item)
            self._changed.notify_all()

    def wait_judged(self, within_s: float) -> None:
        """Wait until the service has answered the last report, at most `within_s` seconds."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._posted_step >= self._last_step or self.wants_end, within_s
            )

    def finish(self, finish: Finish, say: Callable[[str], None]) -> Finished | None:
        """Submit the result, however long the service is away; None: it is no longer wanted.

        Args:
            finish: without token, points and duration.
            say: called once, with the reason, if that takes long.

        Raises:
            UnavailableError: the service was ended deliberately.
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
        """Release the attempt: whoever claims next runs the trial again, at no cost to the budget.

        A result that was being submitted when this process was interrupted is offered once more.
        """
        self._stop()
        if self.lost:
            return
        text = "its process was interrupted"
        body = self._body or self._body_of(
            Finish(token="", outcome="failed", cause="preempted", error=text)  # nosec B106  # the line has it
        )
        try:
            self._service.line().finish(self.assignment.attempt, body)
        except TunerError as exc:
            logger.info("not given back; its lease ends", extra={"reason": str(exc)})

    def _flush(self) -> None:
        """Post the points that do not fit into the message with the result."""
        while not (news := self._news()).is_all:
            self._take(self._reply(news), news)

    def _body_of(self, finish: Finish) -> str:
        whole = dataclasses.replace(
            finish,
            token=self._token,
            points=self._points,
            found=self._found,
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
                due = min(beat_at, post_at) if self._has_news else beat_at
                if not self._is_over:
                    self._changed.wait(max(0.0, due - time.monotonic()))
                if self._is_over:
                    return
                news = self._news()
            now = time.monotonic()
            if news and now >= post_at:
                post_at = now + (REPORT_INTERVAL_S if self._call(news) else RETRY_S)
                beat_at = now + self._beat_s
            elif now >= beat_at:
                beat_at = now + (self._beat_s if self._call(_NOTHING) else RETRY_S)

    @property
    def _is_over(self) -> bool:
        return self._ended or bool(self.lost)

    @property
    def _has_news(self) -> bool:
        return bool(self._points or self._found)

    def _news(self) -> _News:
        """Return what to post next, up to the size of one message."""
        found = fitting_found(self._found)
        points = _batch(self._points) if len(found) == len(self._found) else []
        is_all = len(found) == len(self._found) and len(points) == len(self._points)
        return _News(points=points, found=found, is_all=is_all)

    def _call(self, news: _News) -> bool:
        """Post what is new, or a sign of life; return whether the service has answered."""
        try:
            reply = self._reply(news)
        except UnavailableError as exc:
            logger.info("not answered", extra={"reason": str(exc)})
            self._look_for_service()
            return False
        except SpecError as exc:
            # Continue the training: its result will still be accepted.
            logger.warning("the service refused a report of this trial: %s", exc)
            self._take(Reply(), news)
        except TunerError as exc:
            with self._changed:
                self.lost = str(exc)
                self._changed.notify_all()
        else:
            self._take(reply, news)
        return True

    def _reply(self, news: _News) -> Reply:
        line, attempt = self._service.line(), self.assignment.attempt
        if news:
            report = Report(token=self._token, points=news.points, found=news.found)
            return line.report(attempt, report)
        beat = Beat(worker=self._worker, state="busy", attempt=attempt, token=self._token)
        return line.beat(beat)

    def _take(self, reply: Reply, news: _News) -> None:
        with self._changed:
            del self._points[: len(news.points)], self._found[: len(news.found)]
            if news.points:
                self._posted_step = news.points[-1].step
            if self.order == "continue":
                self.order = reply.order
            self.is_drained = self.is_drained or reply.drain
            self._changed.notify_all()

    def _look_for_service(self) -> None:
        try:
            self._service.revive()
        except TunerError as exc:
            logger.warning("the Tuner service cannot be reached: %s", exc)


def _batch(points: Sequence[Point]) -> list[Point]:
    """Return the first of the points, as many as fit into one message."""
    size = 0
    for number, point in enumerate(points):
        size += _POINT_BYTES + metrics_size(point.metrics)
        if number and size > MAX_METRIC_BYTES:
            return list(points[:number])
    return list(points)


def _refused(exc: SpecError) -> Finish:
    text = f"the service refused the result of this trial: {exc}"
    return Finish(token="", outcome="failed", cause="error", error=text)  # nosec B106  # the line has it
