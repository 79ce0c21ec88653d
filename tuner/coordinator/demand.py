"""How many workers wait for a trial, by kind of device and image, and what waits for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tuner.protocol import BEAT_S, Device
from tuner.storage import tables

#: A worker that was not heard of for this long is not counted on.
UNHEARD_S = 3 * BEAT_S


def idle_workers(connection: sa.Connection, now: float) -> Counter[tuple[Device, str | None]]:
    """Return the number of idle workers that take attempts, by (device, image)."""
    w = tables.workers
    query = (
        sa.select(w.c.device, w.c.image, sa.func.count())
        .where(w.c.state == "idle", w.c.drain.is_(False), w.c.last_seen > now - UNHEARD_S)
        .group_by(w.c.device, w.c.image)
    )
    return Counter({(device, image): n for device, image, n in connection.execute(query)})


def ready_attempts(connection: sa.Connection) -> Sequence[sa.Row[Any]]:
    """Return the attempts that wait to be claimed: `study_id`, `created`, `not_before`."""
    a = tables.attempts
    query = sa.select(a.c.study_id, a.c.created, a.c.not_before).where(a.c.state == "ready")
    return list(connection.execute(query))


def leased_attempts(connection: sa.Connection) -> Counter[int]:
    """Return the number of attempts that are being executed, by study id."""
    a = tables.attempts
    query = (
        sa.select(a.c.study_id, sa.func.count()).where(a.c.state == "leased").group_by(a.c.study_id)
    )
    return Counter(dict(connection.execute(query).tuples().all()))


def matches(study: sa.Row[Any], device: str, image: str | None) -> bool:
    """Whether a worker of this device and image may run the study's trials."""
    return bool(study.device == device and (study.image is None or study.image == image))
