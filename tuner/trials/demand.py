"""How many workers wait for a trial, by kind of device and image, and what waits for them.

A trial goes to workers that own exactly as many GPUs as it asks for, as one for the processor goes
to workers without any: on a larger worker the other GPUs would stand idle, paid for, and the study
that needs them all would wait behind it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Literal

import sqlalchemy as sa

from tuner.protocol import BEAT_S, Claim, Device
from tuner.spec import StudySpec
from tuner.storage import tables

#: Stands in the place of a device where no worker executes the trials: in the row of a study whose
#: objective is external, and of a process that claims that study's trials and nothing else.
EXTERNAL: Final = "external"
#: What a worker can run: its device, its image, and how many GPUs it owns. Of a process that claims
#: one study's trials: `EXTERNAL`, the study, and 0.
Kind = tuple[Device | Literal["external"], str | None, int]
#: A worker that was not heard of for this long is not counted on.
UNHEARD_S = 3 * BEAT_S


def gpus_of(table: sa.FromClause) -> sa.ColumnElement[int]:
    """Return the number of GPUs of the rows of studies or workers, as SQL.

    The device decides whether it is more than none: a server of an earlier release knows only that.
    """
    one = sa.case((table.c.gpus > 1, table.c.gpus), else_=1)
    return sa.case((table.c.device == "gpu", one), else_=0)


def gpus_of_row(row: Any) -> int:
    """Return the number of GPUs of a row of studies or workers."""
    return max(1, row.gpus or 1) if row.device == "gpu" else 0


# Built once: to build a statement costs more than to execute it, and the loop does so all the time.
_w, _a = tables.workers, tables.attempts
_IDLE = (
    sa.select(_w.c.device, _w.c.image, gpus_of(_w).label("owned"), sa.func.count())
    .where(
        _w.c.state == "idle",
        _w.c.drain.is_(False),
        _w.c.out_reason == "",
        _w.c.image_problem == "",
        _w.c.last_seen > sa.bindparam("heard_after", type_=sa.Float),
    )
    # By its name: PostgreSQL does not take two expressions with parameters for the same.
    .group_by(_w.c.device, _w.c.image, "owned")
)
_READY = sa.select(_a.c.study_id, _a.c.no, _a.c.created, _a.c.not_before, _a.c.excluded_json).where(
    _a.c.state == "ready"
)
_LEASED = (
    sa.select(_a.c.study_id, sa.func.count()).where(_a.c.state == "leased").group_by(_a.c.study_id)
)


def idle_workers(connection: sa.Connection, now: float) -> Counter[Kind]:
    """Return the number of idle workers that take attempts, by (device, image, GPUs)."""
    rows = connection.execute(_IDLE, {"heard_after": now - UNHEARD_S})
    return Counter({(device, image, gpus): n for device, image, gpus, n in rows})


def able_workers(connection: sa.Connection, attempt: sa.Row[Any], now: float) -> list[str]:
    """Return the states of the live workers that fit an attempt and have not failed at its trial.

    Args:
        attempt: `study_id` and `excluded_json` of its row.
    """
    w, s = tables.workers, tables.studies
    facts: sa.Select[Any] = sa.select(
        s.c.device, gpus_of(s).label("gpus"), s.c.image, s.c.project, s.c.name
    )
    study = connection.execute(facts.where(s.c.id == attempt.study_id)).one()
    query = sa.select(w.c.state, w.c.projects_json).where(
        w.c.device == study.device,
        gpus_of(w) == study.gpus,
        w.c.name.not_in(json.loads(attempt.excluded_json)),
        w.c.state.in_(("idle", "busy")),
        w.c.drain.is_(False),
        w.c.out_reason == "",
        w.c.image_problem == "",
        w.c.last_seen > now - UNHEARD_S,
    )
    if (image := needed_image(study)) is not None:
        query = query.where(w.c.image == image)
    rows = connection.execute(query)
    return [state for state, projects in rows if _takes(projects, study.project)]


def _takes(projects_json: str, project: str) -> bool:
    """Whether a worker whose token is for these projects, null: for all, runs a project's."""
    projects = json.loads(projects_json)
    return projects is None or project in projects


def waits_for_busy(connection: sa.Connection, attempt: sa.Row[Any], now: float) -> bool:
    """Whether only busy workers may take a ready attempt: the idle ones need not wait with it."""
    if attempt.excluded_json == "[]":
        return False
    able = able_workers(connection, attempt, now)
    return bool(able) and "idle" not in able


def ready_attempts(connection: sa.Connection) -> Sequence[sa.Row[Any]]:
    """Return the attempts that wait to be claimed.

    Returns:
        `study_id`, `no`, `created`, `not_before` and `excluded_json` of each.
    """
    return list(connection.execute(_READY))


def leased_attempts(connection: sa.Connection) -> Counter[int]:
    """Return the number of attempts that are being executed, by study id."""
    return Counter(dict(connection.execute(_LEASED).all()))


def matches(study: sa.Row[Any], device: str, image: str | None, gpus: int) -> bool:
    """Whether a worker of this device and image, with so many GPUs, may run the study's trials."""
    needed = needed_image(study)
    fits = study.device == device and gpus_of_row(study) == gpus
    return bool(fits and (needed is None or needed == image))


def device_of(spec: StudySpec) -> str:
    """Return what the row of a study has as its device."""
    if spec.is_external:
        return EXTERNAL
    return "gpu" if spec.trial.gpus else "cpu"


def needed_image(study: sa.Row[Any]) -> str | None:
    """Return what the row of a worker must have as its image to run the study's trials.

    Args:
        study: `device`, `image`, `project` and `name` of its row.
    """
    if study.device == EXTERNAL:
        return f"{study.project}/{study.name}"
    return study.image  # type: ignore[no-any-return]


def claim_kind(claim: Claim, image: str | None) -> Kind:
    """Return what a claim asks for.

    Args:
        claim: as it came.
        image: of the worker, by its token.
    """
    if claim.study is not None:
        return EXTERNAL, claim.study, 0
    return claim.worker.device, image, claim.worker.gpus
