"""Which token a worker uses: its name belongs to that token, and to one process at a time."""

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

    It would end what that worker runs. A worker that was not heard of recently, or whose token is
    no longer valid, has given up its name.

    Raises:
        StudyError: that worker is alive.
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
    """Refuse a second live process with the same name: they would end each other's trials.

    A supervisor's next process does not count as a second one: it is started after the previous one
    has ended. A process that was restarted by hand after a crash waits until the other is no longer
    heard of. Processes of an earlier release cannot be told apart.

    Raises:
        StudyError: the other process is alive.
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
    """Return the columns of a worker's row that describe its token."""
    who = caller()
    return {"bearer": who.token_id, "projects_json": projects_json(who)}


def may_fetch(connection: sa.Connection, who: Identity, digest: str) -> bool:
    """Whether a caller may have a code snapshot: a worker may have that of what it runs."""
    if who.is_operator:
        return True
    return may_fetch_code(connection, who.token_id, digest)
