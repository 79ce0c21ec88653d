"""A study as stored in the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tuner.trials.record import maker
from tuner.trials.states import StudyState


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """A row of `tuner.storage.tables.studies`, which describes each column.

    Only `tuner.trials.specs` reads its spec.
    """

    id: int
    project: str
    name: str
    state: StudyState
    reason: str
    optuna_id: int
    spec_json: str
    identity: str
    code: str | None
    modules_json: str
    data: str | None
    git_json: str
    seed: int
    device: str
    gpus: int | None
    image: str | None
    priority: int
    parallel: int | None
    next_number: int
    told: int
    filed: int
    retry_json: str
    revision: int
    created: float
    started: float | None
    finished: float | None
    running_since: float | None
    active_s: float

    @classmethod
    def of(cls, row: Sequence[Any]) -> Study:
        """Return the study of a complete row.

        Raises:
            ValueError: its state is unknown.
        """
        return _of(row)

    @property
    def full_name(self) -> str:
        """`project/name`."""
        return f"{self.project}/{self.name}"

    @property
    def retries_wanted(self) -> list[int]:
        """Numbers of failed trials whose configuration should be tried again."""
        numbers: list[int] = json.loads(self.retry_json)
        return numbers


_of = maker(Study, StudyState)
