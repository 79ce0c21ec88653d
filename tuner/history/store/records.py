"""What is known of earlier runs, whoever made them: studies, their trials, what was refused.

Metrics and curves keep the names that their producer gave them; a number that is not finite is in
neither. Nothing here depends on where a run came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tuner.space import SearchSpace
from tuner.space.value import Value

#: Where a study came from: see `tuner.registry.is_kind`.
HistoryKind = str
State = Literal["complete", "pruned", "fail", "running"]
Goal = Literal["maximize", "minimize"]

#: (step, value), steps rising.
Curve = tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoricTrial:
    """One run of before.

    `params` holds what was recorded, fixed parameters included; one that is absent was inactive or
    is unknown. `metrics` holds the last value of a curve, or the best one where that was asked for
    at the import; for trials of Tuner the exact value that was told.
    """

    #: Unique in its study, and the order of the trials.
    key: str
    params: Mapping[str, Value]
    metrics: Mapping[str, float]
    curves: Mapping[str, Curve] = field(default_factory=dict)
    state: State = "complete"
    #: Of a failure, as `tuner.trials.causes` names them, or "constraint", which an imported
    #: trial violates; None where nobody knows.
    cause: str | None = None
    #: Seconds since the epoch.
    started: float | None = None
    finished: float | None = None


@dataclass(frozen=True, kw_only=True)
class StudySummary:
    """A study without its trials: enough to decide whether they are worth loading."""

    #: "vision/digits-mlp", or the import's own, which has no slash.
    key: str
    kind: HistoryKind
    #: Absolute path, or URL without password and query; of a study of this database its name.
    locator: str
    #: Whether it is a study of this database rather than an import.
    is_own: bool
    #: Goal by name; None: unknown. The metric that was optimised comes first, where known.
    metrics: Mapping[str, Goal | None]
    #: Names of all parameters that any of its trials recorded or its space declares.
    parameters: frozenset[str]
    #: Fingerprints, None where unknown.
    data: str | None
    code: str | None
    image: str | None
    #: Trials that `HistoryStore.load` would return.
    trials: int
    #: When the last of them ended, seconds since the epoch.
    finished: float | None
    #: Changes whenever the trials or anything here does: to be used as the key of a cache.
    version: str
    #: What was given up at the import, in words.
    notes: tuple[str, ...] = ()
    #: Where else runs of it were found at an import and not kept twice, as the log root of a study
    #: of this database: locators, in their order.
    also_at: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HistoricStudy:
    """A study with its trials, in the order of their keys."""

    key: str
    kind: HistoryKind
    locator: str
    metrics: Mapping[str, Goal | None]
    #: None: not known (event files say no more than the values).
    space: SearchSpace | None
    #: What all its trials had in common beside their parameters.
    constants: Mapping[str, Value]
    data: str | None
    code: str | None
    image: str | None
    trials: tuple[HistoricTrial, ...]
    finished: float | None
    version: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """Something that was found and could not be used."""

    #: Where: a path or a row, as a person finds it again.
    path: str
    reason: str
    #: How many runs or files this stands for.
    count: int = 1
