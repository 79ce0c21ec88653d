"""An attempt as stored in the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tuner.protocol import Cause, Order
from tuner.trials.record import maker
from tuner.trials.states import AttemptState


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """A row of `tuner.storage.tables.attempts`, which describes each column."""

    id: str
    study_id: int
    number: int
    no: int
    state: AttemptState
    excluded_json: str
    token: str | None
    worker: str | None
    host: str | None
    lease_until: float | None
    wanted: Order
    run_dir: str
    created: float
    not_before: float
    claimed: float | None
    finished: float | None
    cause: Cause | None
    error: str
    duration_s: float | None
    exit_status: int | None
    finish_digest: str | None
    filed: bool
    judged: bool
    heard: bool
    bearer: int | None
    image_json: str | None

    @classmethod
    def of(cls, row: Sequence[Any]) -> Attempt:
        """Return the attempt of a complete row.

        Raises:
            ValueError: its state is unknown.
        """
        return _of(row)

    @property
    def excluded(self) -> list[str]:
        """The workers that should preferably not run it."""
        excluded: list[str] = json.loads(self.excluded_json)
        return excluded


_of = maker(Attempt, AttemptState)
