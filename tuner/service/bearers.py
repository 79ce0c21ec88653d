"""Which token a worker calls with: its name is that token's, its image the one it is bound to."""

from __future__ import annotations

import dataclasses
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.demand import UNHEARD_S
from tuner.coordinator.lifecycle import OPEN
from tuner.errors import StudyError
from tuner.identity import Identity, caller
from tuner.protocol import WorkerInfo
from tuner.storage import tables
from tuner.storage.tokens import is_in_force, projects_json

_s, _a, _t = tables.studies, tables.attempts, tables.trials
#: What is kept of what a worker says about its image.
_MAX_IMAGE_CHARS = 300


def require_name(connection: sa.Connection, row: sa.Row[Any], now: float) -> None:
    """Refuse a caller that uses the name of another token's worker.

    It would end what that worker runs. A worker that was not heard of lately, or whose token is no
    good any more, has given its name up.

    Raises:
        StudyError: that worker lives.
    """
    who = caller()
    if row.bearer == who.token_id or who.is_operator:
        return
    is_silent = row.state == "gone" or row.last_seen < now - UNHEARD_S
    if is_silent or (row.bearer is not None and not is_in_force(connection, row.bearer, now)):
        return
    raise StudyError(
        f"a worker {row.name} is there already, with another token: give this one another name, "
        f"or wait {UNHEARD_S:g} s after the end of that one"
    )


def bearer_facts(image_problem: str) -> dict[str, Any]:
    """Return what the row of a worker says about its token."""
    who = caller()
    return {
        "bearer": who.token_id,
        "projects_json": projects_json(who),
        "image_problem": image_problem,
    }


def bind_image(connection: sa.Connection, worker: WorkerInfo) -> tuple[WorkerInfo, str]:
    """Return a worker with the image that its token is bound to, and why the two do not fit.

    A token that is bound to a digest alone leaves the name of the image to the worker, or, when it
    says none, to the studies that want this digest.
    """
    bound = caller().image
    if bound is None:
        return worker, ""
    digest = bound.rpartition("@")[2]
    if worker.image is not None and worker.image.rpartition("@")[2] != digest:
        said = worker.image[:_MAX_IMAGE_CHARS]
        return worker, f"its token is bound to the image {bound}, and it says that it runs {said}"
    image = bound if "@" in bound else worker.image or _wanted(connection, digest) or bound
    return dataclasses.replace(worker, image=image), ""


def may_fetch(connection: sa.Connection, who: Identity, digest: str) -> bool:
    """Whether a caller may have a code snapshot: a worker has that of what it runs."""
    if who.is_operator:
        return True
    query = (
        sa.select(sa.literal(1))
        .join_from(_a, _t, sa.and_(_t.c.study_id == _a.c.study_id, _t.c.number == _a.c.number))
        .where(
            _a.c.state.in_(("leased", "lost")),
            _a.c.bearer == who.token_id,
            _t.c.code == digest,
        )
        .limit(1)
    )
    return connection.execute(query).first() is not None


def _wanted(connection: sa.Connection, digest: str) -> str | None:
    query = (
        sa.select(_s.c.image)
        .where(_s.c.image.endswith(f"@{digest}"), _s.c.state.in_(OPEN))
        .order_by(_s.c.id.desc())
        .limit(1)
    )
    image: str | None = connection.execute(query).scalar_one_or_none()
    return image
