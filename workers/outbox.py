"""Points on their way to the server: the first at once, then together, until they arrive.

The first *number* goes at once as well: no pruner looks at NaN, so a trial that reports it first is
to be judged as soon as one that does not.
"""

from __future__ import annotations

import dataclasses
import logging
import math

from tuner.errors import UnavailableError
from tuner.protocol import REPORT_INTERVAL_S, Point, Reply, Report, decode_number
from workers.api import WorkerApi

logger = logging.getLogger(__name__)

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0
#: A server that was only restarted is back within seconds: so long waits stay short.
QUICK_FOR_S = 30.0
QUICK_RETRY_S = 1.0
#: Of one message, roughly; the server takes a megabyte.
MAX_BATCH_BYTES = 200_000
_NUMBER_BYTES = 30


class Backoff:
    """Growing waits between repeated calls. Mutable: it counts."""

    def __init__(self, first_s: float = FIRST_RETRY_S, last_s: float = LAST_RETRY_S) -> None:
        self._first_s = first_s
        self._last_s = last_s
        self._next_s = first_s
        self._waited_s = 0.0

    def next_s(self) -> float:
        """Return the next wait, seconds."""
        wait_s = self._next_s
        self._waited_s += wait_s
        is_quick = self._waited_s < QUICK_FOR_S
        most_s = min(QUICK_RETRY_S, self._last_s) if is_quick else self._last_s
        self._next_s = min(wait_s * 2, most_s)
        return wait_s

    def reset(self) -> None:
        """Start anew after a success."""
        self._next_s, self._waited_s = self._first_s, 0.0


class Outbox:
    """The points of one attempt that the server has not yet. Mutable: they come and go.

    Args:
        api: of the server.
        attempt: its id.
        token: of its claim.
    """

    def __init__(self, api: WorkerApi, attempt: str, token: str) -> None:
        self.points: list[Point] = []
        self._api = api
        self._attempt = attempt
        self._token = token
        self._due_at = 0.0
        self._has_numbers = False
        self._backoff = Backoff()

    def add(self, point: Point) -> None:
        """Take a point in; metrics that no message can hold are dropped."""
        if _size(point) > MAX_BATCH_BYTES:
            logger.warning("too many metrics in one report", extra={"attempt": self._attempt})
            point = dataclasses.replace(point, metrics={})
        self.points.append(point)
        if not self._has_numbers and math.isfinite(decode_number(point.value)):
            self._has_numbers, self._due_at = True, 0.0

    def due_at(self) -> float:
        """Return when to post next (monotonic); infinity when there is nothing."""
        return self._due_at if self.points else math.inf

    def fits_one_message(self) -> bool:
        """Return whether all points can travel together, with a finish for example."""
        return len(self._batch()) == len(self.points)

    def post(self, now: float) -> Reply | None:
        """Post what is waiting; None when the server did not answer, and the points stay.

        Raises:
            FencedError: the attempt is no longer this worker's.
        """
        batch = self._batch()
        try:
            reply = self._api.report(self._attempt, Report(token=self._token, points=batch))
        except UnavailableError:
            self._due_at = now + self._backoff.next_s()
            return None
        self._backoff.reset()
        del self.points[: len(batch)]
        self._due_at = now + REPORT_INTERVAL_S
        return reply

    def _batch(self) -> list[Point]:
        size = 0
        for number, point in enumerate(self.points):
            size += _size(point)
            if size > MAX_BATCH_BYTES:
                return self.points[:number]
        return self.points[:]


def _size(point: Point) -> int:
    names = sum(map(len, point.metrics))
    return 2 * names + _NUMBER_BYTES * (len(point.metrics) + 3)
