"""Points and found parameters on their way to the server: the first immediately, then in batches.

The first *number* is sent immediately as well: pruners ignore NaN, so a trial that reports NaN
first must be judged as early as one that does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tuner.errors import UnavailableError
from tuner.protocol import (
    MAX_FOUND,
    MAX_METRIC_BYTES,
    REPORT_INTERVAL_S,
    Found,
    Point,
    Reply,
    Report,
    decode_number,
    fitting_found,
    metrics_size,
)
from workers.agent.api import RefusedError, WorkerApi

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0
#: Seconds during which waits stay short: a server that was only restarted is back by then.
QUICK_FOR_S = 30.0
QUICK_RETRY_S = 1.0
#: Maximum bytes of a step and its value in a message.
_POINT_BYTES = 90


class Backoff:
    """Increasing waits between repeated calls. Mutable: it counts."""

    def __init__(self, first_s: float = FIRST_RETRY_S, last_s: float = LAST_RETRY_S) -> None:
        self._first_s = first_s
        self._last_s = last_s
        self._next_s = first_s
        self._waited_s = 0.0

    def next_s(self) -> float:
        """Return the next wait in seconds."""
        wait_s = self._next_s
        self._waited_s += wait_s
        is_quick = self._waited_s < QUICK_FOR_S
        most_s = min(QUICK_RETRY_S, self._last_s) if is_quick else self._last_s
        self._next_s = min(wait_s * 2, most_s)
        return wait_s

    def reset(self) -> None:
        """Start over after a success."""
        self._next_s, self._waited_s = self._first_s, 0.0


class Outbox:
    """The part of one attempt that the server does not have yet. Mutable.

    Args:
        attempt: its id.
    """

    def __init__(self, api: WorkerApi, attempt: str, token: str) -> None:
        self.points: list[Point] = []
        self._found: dict[str, Found] = {}
        #: Names of all parameters found so far.
        self._names: set[str] = set()
        self._api = api
        self._attempt = attempt
        self._token = token
        self._due_at = 0.0
        self._has_numbers = False
        self._backoff = Backoff()

    def add(self, point: Point) -> None:
        """Add a point whose metrics fit into a message."""
        self.points.append(point)
        if not self._has_numbers and math.isfinite(decode_number(point.value)):
            self._has_numbers, self._due_at = True, 0.0

    def add_found(self, found: Sequence[Found]) -> None:
        """Add parameters that fit into a message; for each name, the latest report counts.

        The first are sent immediately. Those beyond what a study may hold are dropped.
        """
        for item in found:
            if item.name in self._names or len(self._names) < MAX_FOUND:
                self._found.pop(item.name, None)
                self._found[item.name] = item
        if not self._names:
            self._due_at = 0.0
        self._names |= self._found.keys()

    @property
    def found(self) -> list[Found]:
        """The parameters that the server does not have yet."""
        return list(self._found.values())

    def drop(self) -> None:
        """Forget everything: the server accepts none of it."""
        self.points.clear()
        self._found.clear()

    def due_at(self) -> float:
        """Return when to post next (monotonic time); infinity if there is nothing."""
        return self._due_at if self.points or self._found else math.inf

    def fits_one_message(self) -> bool:
        """Return whether everything fits into one message, for example with a finish."""
        all_found = len(fitting_found(self.found)) == len(self._found)
        return all_found and len(self._batch()) == len(self.points)

    def post(self, now: float) -> Reply | None:
        """Post what is waiting; None if the server did not answer, and the points stay.

        Raises:
            FencedError: the attempt is no longer this worker's.
            RefusedError: the server rejects everything that is waiting, which is dropped.
        """
        batch, found = self._batch(), fitting_found(self.found)
        report = Report(token=self._token, points=batch, found=found)
        try:
            reply = self._api.report(self._attempt, report)
        except UnavailableError:
            self._due_at = now + self._backoff.next_s()
            return None
        except RefusedError:
            self.drop()
            raise
        self._backoff.reset()
        del self.points[: len(batch)]
        for item in found:
            # Unless more was reported about it meanwhile.
            if self._found.get(item.name) is item:
                del self._found[item.name]
        self._due_at = now + REPORT_INTERVAL_S
        return reply

    def _batch(self) -> list[Point]:
        size = 0
        for number, point in enumerate(self.points):
            size += _size(point)
            if number and size > MAX_METRIC_BYTES:
                return self.points[:number]
        return self.points[:]


def _size(point: Point) -> int:
    return _POINT_BYTES + metrics_size(point.metrics)
