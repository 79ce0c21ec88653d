"""A trial as stored in the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tuner.protocol import Cause
from tuner.trials.record import maker
from tuner.trials.states import TrialState


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A row of `tuner.storage.tables.trials`, which describes each column."""

    study_id: int
    number: int
    state: TrialState
    params_json: str
    code: str | None
    git_json: str
    seed: int
    proposal_json: str
    optuna_id: int
    objective: float | None
    values_json: str | None
    metrics_json: str | None
    cause: Cause | None
    error: str
    counted: bool
    told: int | None
    outcome_attempt: str | None
    created: float
    started: float | None
    finished: float | None
    duration_s: float | None

    @classmethod
    def of(cls, row: Sequence[Any]) -> Trial:
        """Return the trial of a complete row.

        Raises:
            ValueError: its state is unknown.
        """
        return _of(row)

    @property
    def params(self) -> dict[str, Any]:
        """Its parameters, as passed to the objective."""
        params: dict[str, Any] = json.loads(self.params_json)
        return params

    @property
    def proposal(self) -> dict[str, Any]:
        """What it was conditioned on (`tuner.proposals.proposal`)."""
        proposal: dict[str, Any] = json.loads(self.proposal_json)
        return proposal

    @property
    def values(self) -> list[float]:
        """One value per metric of the study; empty if the objective returned none."""
        values: list[float] = json.loads(self.values_json or "[]")
        return values

    @property
    def metrics(self) -> dict[str, float]:
        """What the objective returned."""
        metrics: dict[str, float] = json.loads(self.metrics_json or "{}")
        return metrics


_of = maker(Trial, TrialState)
