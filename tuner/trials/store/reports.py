"""The rows of reports."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tuner import protocol
from tuner.storage import tables
from tuner.storage.curves import join_reports, stored_value
from tuner.trials.attempt import Attempt

_r = tables.reports
# The first report of a step counts. Only the databases' own inserts know that; both are written
# alike.
_INSERT = postgresql.insert(_r).on_conflict_do_nothing()
_OF_TRIAL = (_r.c.study_id == sa.bindparam("of_study"), _r.c.number == sa.bindparam("of_number"))
_LAST = (
    sa.select(_r.c.value)
    .where(
        *_OF_TRIAL,
        _r.c.no <= sa.bindparam("of_no"),
        # NaN and infinity are no results: the last finite number reported is the result.
        _r.c.value.is_not(None),
    )
    .order_by(_r.c.no.desc(), _r.c.step.desc())
    .limit(1)
)
_UNTIL = sa.select(_r).where(*_OF_TRIAL, _r.c.no <= sa.bindparam("of_no"))
_EARLIER = sa.select(_r).where(*_OF_TRIAL, _r.c.no < sa.bindparam("of_no"))


def store_points(
    connection: sa.Connection, attempt: Attempt, points: list[protocol.Point], now: float
) -> None:
    """Insert the reports that are not stored yet; the first one of a step counts."""
    if not points:
        return
    rows: dict[int, dict[str, Any]] = {}
    for point in points:
        rows.setdefault(point.step, _row(attempt, point, now))
    connection.execute(_INSERT, list(rows.values()))


def last_value(connection: sa.Connection, attempt: Attempt) -> float | None:
    """Return the last number reported by an attempt, or by one before it."""
    value = connection.execute(_LAST, _key(attempt)).scalar_one_or_none()
    return None if value is None else float(value)


def curve_until(connection: sa.Connection, attempt: Attempt) -> list[tuple[int, float, float]]:
    """Return the reports of an attempt and those before it, joined: step, value and time."""
    rows = connection.execute(_UNTIL, _key(attempt)).all()
    return [(step, stored_value(row), row.time) for step, row in join_reports(rows).items()]


def earlier_curve(connection: sa.Connection, attempt: Attempt) -> list[protocol.Point]:
    """Return the reports of the attempts before this one, joined into one curve."""
    if attempt.no == 1:
        return []
    rows = connection.execute(_EARLIER, _key(attempt)).all()
    return [
        protocol.Point(
            step=step,
            value=protocol.encode_number(stored_value(row)),
            metrics=json.loads(row.metrics_json) if row.metrics_json else {},
        )
        for step, row in join_reports(rows).items()
    ]


def _key(attempt: Attempt) -> dict[str, Any]:
    return {"of_study": attempt.study_id, "of_number": attempt.number, "of_no": attempt.no}


def _row(attempt: Attempt, point: protocol.Point, now: float) -> dict[str, Any]:
    wire = protocol.encode_number(protocol.decode_number(point.value))
    return {
        "study_id": attempt.study_id,
        "number": attempt.number,
        "no": attempt.no,
        "step": point.step,
        "value": None if isinstance(wire, str) else wire,
        "special": wire if isinstance(wire, str) else None,
        "metrics_json": json.dumps(point.metrics) if point.metrics else None,
        "time": now,
    }
