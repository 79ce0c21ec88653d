"""The workers as shown to users: each with what it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.kinds import UNHEARD_S
from tuner.trials.states import WorkerState
from tuner.trials.worker import Worker

_w, _a, _s = tables.workers, tables.attempts, tables.studies
_LISTED: sa.Select[Any] = (
    sa.select(_w, _a.c.number, _a.c.no, _s.c.project, _s.c.name.label("study"))
    .outerjoin(_a, _a.c.id == _w.c.attempt)
    .outerjoin(_s, _s.c.id == _a.c.study_id)
    .where(
        _w.c.state != WorkerState.GONE.value,
        _w.c.last_seen > sa.bindparam("heard_after", type_=sa.Float),
    )
    .order_by(_w.c.name)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedWorker:
    """A worker that was heard of recently, and what it runs.

    Attributes:
        row: its values by column as stored, possibly damaged.
        study: `project/study` of its trial, with the numbers of the trial and of the attempt.
    """

    row: Mapping[str, Any]
    study: str | None
    trial: int | None
    attempt: int | None

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.row["name"])

    @property
    def worker(self) -> Worker:
        """The worker, if the values are sound."""
        return Worker.of(list(self.row.values()))


def listed_workers(connection: sa.Connection, now: float) -> list[ListedWorker]:
    """Return the workers heard of within the last lease, by name."""
    found = []
    for row in connection.execute(_LISTED, {"heard_after": now - UNHEARD_S}).mappings():
        values = dict(row)
        number, no, project, study = (values.pop(n) for n in ("number", "no", "project", "study"))
        where = f"{project}/{study}" if project else None
        found.append(ListedWorker(row=values, study=where, trial=number, attempt=no))
    return found
