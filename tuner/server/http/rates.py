"""Counts how often each token or address asks, and decides whether that is too often."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.server.limits import MAX_REMEMBERED, Rate


@dataclass(slots=True)
class _Bucket:
    """What is left of a burst. Mutable: requests take from it, and time fills it up."""

    left: float
    at: float


class Rates:
    """Token buckets that fill up with time, one for each client. For a single event loop.

    Args:
        rate: of each bucket.
        wait_s: maximum delay for a request in seconds; 0: none is delayed.
    """

    def __init__(self, rate: Rate, wait_s: float = 0.0) -> None:
        self._rate = rate
        #: Maximum debt: delayed requests take tokens that are not there yet.
        self._debt = rate.per_s * wait_s
        self._buckets: dict[str, _Bucket] = {}

    def __len__(self) -> int:
        """Return the number of buckets in memory."""
        return len(self._buckets)

    def take(self, who: str, now: float) -> float:
        """Take one request; return 0, or the number of seconds until it is due.

        Args:
            who: the client.
            now: seconds of a monotonic clock.
        """
        bucket = self._buckets.pop(who, None)
        if bucket is None:
            bucket = _Bucket(left=self._rate.burst, at=now)
            if len(self._buckets) >= MAX_REMEMBERED:
                # Ordered by last request, so this is the longest inactive one.
                del self._buckets[next(iter(self._buckets))]
        self._buckets[who] = bucket
        bucket.left += (now - bucket.at) * self._rate.per_s
        bucket.left = min(bucket.left, self._rate.burst)
        bucket.at = now
        wait_s = max(0.0, 1 - bucket.left) / self._rate.per_s
        if bucket.left >= 1 - self._debt:
            bucket.left -= 1
        return wait_s
