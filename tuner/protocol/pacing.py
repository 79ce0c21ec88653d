"""What a client does that is told it asks too often."""

from __future__ import annotations

import math


def retry_after_s(header: str | None, most_s: float) -> float:
    """Return how long to wait before the same request is sent again, seconds.

    Args:
        header: `Retry-After` of the answer, in seconds; a date or anything else counts as 1.
        most_s: nobody waits longer.
    """
    try:
        seconds = float(header or "")
    except ValueError:
        seconds = 1.0
    return min(max(seconds, 0.1), most_s) if math.isfinite(seconds) else 1.0
