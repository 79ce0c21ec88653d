"""What a study is and how it stands: the content of `_study/study.json`."""

from __future__ import annotations

from typing import Any, Literal

from tuner.documents.document import Document
from tuner.documents.study import BestTrial, BudgetUse, MetricGoal, StudyWord, TrialCounts

#: As `tuner.space.parameter.ParameterKind`.
ParameterWord = Literal["float", "int", "categorical", "ordinal", "bool", "fixed"]


class SummaryParameter(Document):
    """What readers need to show a parameter; null where it says nothing of the kind."""

    name: str
    type: ParameterWord
    low: int | float | None
    high: int | float | None
    log: bool | Literal["reverse"]
    step: int | float | None
    #: The choices; for a fixed parameter, its only value.
    values: list[Any] | None
    #: For each parent, the values that activate the parameter; null: it is always active.
    when: dict[str, list[Any]] | None


class SummaryDocument(Document):
    """What a study is and how it stands. The file holds the time as well, as `updated`."""

    #: Version of the file format.
    version: int
    study: str
    state: StudyWord
    reason: str
    metrics: list[MetricGoal]
    #: Always empty: studies have none.
    constraints: list[Any]
    parameters: list[SummaryParameter]
    #: Names of all parameters, most important first.
    order: list[str]
    budget: BudgetUse
    counts: TrialCounts
    best: BestTrial | None
