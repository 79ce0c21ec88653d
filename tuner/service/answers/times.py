"""Times as users see them."""

from __future__ import annotations

import datetime
from typing import overload


@overload
def iso(time_s: float) -> str: ...
@overload
def iso(time_s: float | None) -> str | None: ...
def iso(time_s: float | None) -> str | None:
    """Return seconds since the epoch as ISO 8601 UTC, such as 2026-11-22T23:10:05.123Z."""
    if time_s is None:
        return None
    moment = datetime.datetime.fromtimestamp(time_s, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
