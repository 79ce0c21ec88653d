"""How long a client waits after the server has told it to slow down."""

from __future__ import annotations

import math


def retry_after_s(header: str | None, most_s: float) -> float:
    """Return the seconds to wait before the same request is sent again.

    Args:
        header: `Retry-After` of the answer, in seconds; a date or anything else counts as 1.
        most_s: maximum number of seconds returned.
    """
    try:
        seconds = float(header or "")
    except ValueError:
        seconds = 1.0
    return min(max(seconds, 0.1), most_s) if math.isfinite(seconds) else 1.0
