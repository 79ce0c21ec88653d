"""Which studies have ready attempts for a claim."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.kinds import EXTERNAL, Kind
from tuner.trials.states import AttemptState, StudyState
from tuner.trials.store.counting import gpus_of

_s, _a = tables.studies, tables.attempts
_OFFERING: sa.Select[Any] = (
    sa.select(_s.c.id, _s.c.priority, _s.c.parallel, sa.func.min(_a.c.created).label("since"))
    .join(_a, _a.c.study_id == _s.c.id)
    .where(
        _a.c.state == AttemptState.READY.value,
        _a.c.not_before <= sa.bindparam("now", type_=sa.Float),
        _s.c.state == StudyState.RUNNING.value,
    )
    .group_by(_s.c.id, _s.c.priority, _s.c.parallel)
)
# See `kinds.matches`.
_FOR_WORKER = _OFFERING.where(
    _s.c.device == sa.bindparam("device"),
    gpus_of(_s) == sa.bindparam("gpus", type_=sa.Integer),
    sa.or_(_s.c.image.is_(None), _s.c.image == sa.bindparam("image", type_=sa.Text)),
)
_FOR_PROCESS = _OFFERING.where(
    _s.c.device == sa.bindparam("device"),
    _s.c.project == sa.bindparam("project"),
    _s.c.name == sa.bindparam("name"),
)
_OF_PROJECTS = _s.c.project.in_(sa.bindparam("projects", expanding=True))
_FOR_WORKER_OF = _FOR_WORKER.where(_OF_PROJECTS)
_FOR_PROCESS_OF = _FOR_PROCESS.where(_OF_PROJECTS)


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferingStudy:
    """A running study with attempts that may be claimed."""

    id: int
    priority: int
    #: Maximum number that may run at once; None: any number.
    parallel: int | None
    #: When the attempt that has waited longest became ready.
    since: float


def offering_studies(
    connection: sa.Connection, kind: Kind, projects: Collection[str] | None, now: float
) -> list[OfferingStudy]:
    """Return the studies that can serve a claim, in arbitrary order.

    Args:
        kind: requested by the claim.
        projects: of the caller; None: all.
        now: the database's time.
    """
    device, needed, gpus = kind
    parameters: dict[str, Any] = {"now": now, "device": device}
    if device == EXTERNAL:
        query = _FOR_PROCESS if projects is None else _FOR_PROCESS_OF
        parameters["project"], _, parameters["name"] = str(needed).partition("/")
    else:
        query = _FOR_WORKER if projects is None else _FOR_WORKER_OF
        parameters |= {"gpus": gpus, "image": needed}
    if projects is not None:
        parameters["projects"] = list(projects)
    return [
        OfferingStudy(id=study_id, priority=priority, parallel=parallel, since=since)
        for study_id, priority, parallel, since in connection.execute(query, parameters)
    ]
