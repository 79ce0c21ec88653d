"""Which trials are the best where a study has several metrics."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tuner.service.answers.pareto import pareto_front
from tuner.trials.store.ranking import complete_trials
from tuner.trials.trial import Trial


def front(connection: sa.Connection, study_id: int, goals: Sequence[str]) -> list[Trial]:
    """Return the complete trials that no other one dominates, in number order."""
    trials = complete_trials(connection, study_id)
    return [trials[i] for i in pareto_front([trial.values for trial in trials], goals)]
