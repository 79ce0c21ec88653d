"""A worker as stored in the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tuner.protocol import Device, Verified
from tuner.trials.record import maker
from tuner.trials.states import WorkerState


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """A row of `tuner.storage.tables.workers`, which describes each column."""

    name: str
    host: str
    pid: int
    device: Device | Literal["external"]
    device_id: str | None
    gpus: int | None
    image: str | None
    release: str
    state: WorkerState
    drain: bool
    drain_reason: str
    failed_json: str
    out_reason: str
    out_since: float | None
    test_after: float | None
    test_tries: int
    attempt: str | None
    bearer: int | None
    projects_json: str
    image_problem: str
    lock: str | None
    files: str | None
    files_built: str | None
    image_verified: Verified | None
    process: str | None
    keeper: str | None
    first_seen: float
    last_seen: float

    @classmethod
    def of(cls, row: Sequence[Any]) -> Worker:
        """Return the worker of a complete row.

        An unknown state is read as gone: the worker reports its present state with its next call.
        """
        return _of(row)

    @property
    def failed(self) -> list[str]:
        """Attempts that count against it since its last success, oldest first."""
        failed: list[str] = json.loads(self.failed_json)
        return failed

    @property
    def projects(self) -> list[str] | None:
        """The projects that its token allows; None: all."""
        projects: list[str] | None = json.loads(self.projects_json)
        return projects


def _state(word: str) -> WorkerState:
    return _STATES.get(word, WorkerState.GONE)


_STATES = {state.value: state for state in WorkerState}
_of = maker(Worker, _state)
