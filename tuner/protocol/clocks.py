"""How far the clocks of a server and of who asks it are apart, by the date of an answer."""

from __future__ import annotations

import datetime
import email.utils

#: Clocks that differ by less do no harm worth a word, seconds.
TOLD_S = 120.0


def clock_off_s(date: str | None, asked: float, answered: float) -> float:
    """Return how far the server's clock is ahead of ours, seconds, negative: behind.

    Args:
        date: the header of its answer; None, or what is no date: nothing is known, which is 0.
        asked: our time when it was asked, seconds since the epoch.
        answered: our time when the answer came.
    """
    theirs = _parsed(date)
    return 0.0 if theirs is None else theirs - min(max(theirs, asked), answered)


def clocks_text(url: str, date: str | None, asked: float, answered: float) -> str:
    """Return that the clocks differ, what that harms and what to do; empty: they do not.

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
