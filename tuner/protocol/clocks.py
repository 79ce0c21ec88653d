"""Measures the difference between a server's clock and ours, by the date of its answer."""

from __future__ import annotations

import datetime
import email.utils

#: Seconds of difference between the clocks that are too harmless to be reported.
TOLD_S = 120.0


def clock_off_s(date: str | None, asked: float, answered: float) -> float:
    """Return how many seconds the server's clock is ahead of ours; negative: behind.

    Args:
        date: header of its answer; None or an invalid date gives 0 (unknown).
        asked: our time when it was asked, seconds since the epoch.
        answered: our time when the answer came.
    """
    theirs = _parsed(date)
    return 0.0 if theirs is None else theirs - min(max(theirs, asked), answered)


def clocks_text(url: str, date: str | None, asked: float, answered: float) -> str:
    """Return a text on the clock difference, its harm and its remedy; empty if there is none.

    Args:
        date: see `clock_off_s`.
        asked: the same.
        answered: the same.
    """
    off = clock_off_s(date, asked, answered)
    if abs(off) < TOLD_S:
        return ""
    return (
        f"the clocks differ by {_duration(abs(off))}: here it is {_moment(answered)}, at the "
        f"server {url} it is {_moment(answered + off)}; set the one that is wrong (as by NTP). "
        f"Until then certificates may be refused, a token may expire earlier or later than was "
        f"meant, and times in logs do not compare; trials are safe: their leases go by the "
        f"database's clock alone"
    )


def _parsed(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _moment(seconds: float) -> str:
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return "beyond all dates"
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} minutes"
    hours = round(minutes / 60)
    return f"{hours} hours" if hours < 96 else f"{hours // 24} days"
