"""How much the trials of a study have reported."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tuner.storage import tables


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What a trial has reported: its last step, how many reports, and how many were numbers."""

    last: int
    reports: int
    numbers: int


def read_reported(connection: sa.Connection, study_id: int) -> dict[int, Reported]:
    """Return what each trial of a study has reported, by number."""
    r = tables.reports
    query = (
        sa.select(r.c.number, sa.func.max(r.c.step), sa.func.count(), sa.func.count(r.c.value))
        .where(r.c.study_id == study_id)
        .group_by(r.c.number)
    )
    return {
        number: Reported(last=last, reports=reports, numbers=numbers)
        for number, last, reports, numbers in connection.execute(query)
    }
