"""How often one token or one address has asked, and whether that is too often."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.server.limits import MAX_REMEMBERED, Rate


@dataclass(slots=True)
class _Bucket:
    """What is left of a burst. Mutable: it is taken from, and fills up."""

    left: float
    at: float


class Rates:
    """Buckets that fill up with time, one for each who asks. For one event loop.

    Args:
        rate: of each.
        wait_s: how long somebody may be made to wait; 0: nobody waits.
    """

    def __init__(self, rate: Rate, wait_s: float = 0.0) -> None:
        self._rate = rate
        #: How much may be owed: those who wait take from what is not there yet.
        self._debt = rate.per_s * wait_s
        self._buckets: dict[str, _Bucket] = {}

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._buckets)

    def take(self, who: str, now: float) -> float:
        """Take one request; return 0, or after how many seconds it is due.

        Args:
            who: asks.
            now: of a clock that never goes back, seconds.
        """
        bucket = self._buckets.pop(who, None)
        if bucket is None:
            bucket = _Bucket(left=self._rate.burst, at=now)
            if len(self._buckets) >= MAX_REMEMBERED:
                # In the order of their last request.
                del self._buckets[next(iter(self._buckets))]
        self._buckets[who] = bucket
        bucket.left += (now - bucket.at) * self._rate.per_s
        bucket.left = min(bucket.left, self._rate.burst)
        bucket.at = now
        wait_s = max(0.0, 1 - bucket.left) / self._rate.per_s
        if bucket.left >= 1 - self._debt:
            bucket.left -= 1
        return wait_s
