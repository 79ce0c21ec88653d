"""How long a study has run: pauses, and time without a coordinator, do not count."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.storage import tables


def active_s(study: sa.Row[Any], now: float) -> float:
    """Return how long the study has run, pauses left out."""
    since = study.running_since
    return float(study.active_s + (max(0.0, now - since) if since is not None else 0.0))


def skip_gap(connection: sa.Connection, since: float, now: float) -> None:
    """Take the time from `since` to `now`, in which nobody coordinated, off all running studies."""
    s = tables.studies
    if now <= since:
        return
    began = sa.case((s.c.running_since < since, s.c.running_since + (now - since)), else_=now)
    connection.execute(s.update().where(s.c.running_since.is_not(None)).values(running_since=began))
