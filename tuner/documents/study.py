"""The state of a study."""

from __future__ import annotations

from typing import Literal

from tuner.documents.document import Document
from tuner.documents.explanations.pruning import PruningAccount
from tuner.documents.unfiled import UnfiledList

#: As `tuner.trials.states.StudyState`.
StudyWord = Literal["running", "paused", "stopping", "finished", "failed", "cancelled"]

#: As `tuner.trials.states.TrialState`.
CountWord = Literal["waiting", "running", "complete", "pruned", "fail"]


class TrialCounts(Document):
    """Number of trials by state."""

    waiting: int
    running: int
    complete: int
    pruned: int
    fail: int


class BestTrial(Document):
    """The best trial; with several metrics `objective` is null, `pareto` the size of the front."""

    trial: int
    objective: float | None
    pareto: int | None


class BudgetUse(Document):
    """The limits of a study and what is used of them."""

    trials: int | None
    used: int
    hours: float | None
    used_hours: float
    target: float | None
    patience: int | None


class MetricGoal(Document):
    """A metric and where it should go."""

    name: str
    goal: Literal["maximize", "minimize"]


class StudyStatus(Document):
    """The state of a study."""

    study: str
    state: StudyWord
    reason: str
    counts: TrialCounts
    best: BestTrial | None
    workers: int
    budget: BudgetUse
    metrics: list[MetricGoal]
    parallel: int | None
    created: str | None
    started: str | None
    finished: str | None
    #: Null: it has no pruner, or is in a list.
    pruning: PruningAccount | None
    #: Null: nothing is missing, or it is in a list.
    unfiled: UnfiledList | None
    #: Why its rows cannot be read: then counts and the rest are empty; null: they can be read.
    fault: str | None
