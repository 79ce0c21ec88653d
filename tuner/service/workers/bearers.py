"""Which token a worker calls with: its name is that token's, and one process has it at a time."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.errors import StudyError
from tuner.protocol import WorkerInfo
from tuner.security.identity import Identity, caller
from tuner.storage.tokens import is_in_force, projects_json
from tuner.trials.kinds import UNHEARD_S
from tuner.trials.states import WorkerState
from tuner.trials.store.attempts import may_fetch_code
from tuner.trials.worker import Worker


def require_name(connection: sa.Connection, known: Worker, now: float) -> None:
    """Refuse a caller that uses the name of another token's worker.

    It would end what that worker runs. A worker that was not heard of lately, or whose token is no
    good any more, has given its name up.

    Raises:
        StudyError: that worker lives.
    """
    who = caller()
    if known.bearer == who.token_id or who.is_operator:
        return
    is_silent = known.state is WorkerState.GONE or known.last_seen < now - UNHEARD_S
    if is_silent or (known.bearer is not None and not is_in_force(connection, known.bearer, now)):
        return
    raise StudyError(
        f"a worker {known.name} already exists, with another token: give this one another name, "
        f"or wait {UNHEARD_S:g} s after the end of that one"
    )


def require_only_process(known: Worker, worker: WorkerInfo, now: float) -> None:
    """Refuse a second process under the name of one that lives: they would end each other's trials.

    A supervisor's next process is no second one: it starts it when the one before has ended. One
    that was started by hand again, after a crash, waits until the other is not heard of any more.
    Processes of an earlier release say nothing by which they could be told apart.

    Raises:
        StudyError: the other process lives.
    """
    if worker.process is None or known.process in (None, worker.process):
        return
    is_next = worker.keeper is not None and worker.keeper == known.keeper
    has_left = (
        known.state in (WorkerState.GONE, WorkerState.STOPPING) or known.last_seen < now - UNHEARD_S
    )
    if is_next or has_left:
        return
    raise StudyError(
        f"a worker {known.name} already exists (host {known.host}, process {known.pid}): give "
        "this one another --name, or none and it gets its own; if that one has ended, its name is "
        f"free {UNHEARD_S:g} s after its last sign of life"
    )


def bearer_facts() -> dict[str, Any]:
    """Return what the row of a worker says about its token."""
    who = caller()
    return {"bearer": who.token_id, "projects_json": projects_json(who)}


def may_fetch(connection: sa.Connection, who: Identity, digest: str) -> bool:
    """Whether a caller may have a code snapshot: a worker has that of what it runs."""
    if who.is_operator:
        return True
    return may_fetch_code(connection, who.token_id, digest)
