"""How much the trials of a study have reported."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tuner.storage import tables


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What a trial has reported.

    Attributes:
        last: its last step.
        numbers: how many of them were finite.
        step_s: seconds from one step to the next; None with a single report, which does not tell.
    """

    last: int
    reports: int
    numbers: int
    step_s: float | None


def read_reported(connection: sa.Connection, study_id: int) -> dict[int, Reported]:
    """Return what each trial of a study has reported, by number."""
    r = tables.reports
    step, time = r.c.step, r.c.time
    query = (
        sa.select(
            r.c.number,
            sa.func.max(step),
            sa.func.count(),
            sa.func.count(r.c.value),
            sa.func.max(step) - sa.func.min(step),
            sa.func.max(time) - sa.func.min(time),
        )
        .where(r.c.study_id == study_id)
        .group_by(r.c.number)
    )
    return {
        number: Reported(
            last=last, reports=reports, numbers=numbers, step_s=took / steps if steps else None
        )
        for number, last, reports, numbers, steps, took in connection.execute(query)
    }
