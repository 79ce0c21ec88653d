"""What is known about earlier runs, whatever tool made them: studies, trials, rejections.

Metrics and curves keep their original names; numbers that are not finite are left out of both.
Nothing here depends on where a run came from.
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

#: (step, value) pairs with ascending steps.
Curve = tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoricTrial:
    """One earlier run.

    `params` holds what was recorded, including fixed parameters; an absent one was inactive or is
    unknown. `metrics` holds the last value of a curve, or the best one if the import asked for
    that; for trials of Tuner the exact value that was told.
    """

    #: Unique in its study; determines the order of the trials.
    key: str
    params: Mapping[str, Value]
    metrics: Mapping[str, float]
    curves: Mapping[str, Curve] = field(default_factory=dict)
    state: State = "complete"
    #: Of a failure, as named in `tuner.trials.causes`, or "constraint" for an imported trial that
    #: violates one; None if unknown.
    cause: str | None = None
    #: In seconds since the epoch.
    started: float | None = None
    finished: float | None = None


@dataclass(frozen=True, kw_only=True)
class StudySummary:
    """A study without its trials: enough to decide whether they are worth loading."""

    #: "vision/digits-mlp", or the key of an import, which has no slash.
    key: str
    kind: HistoryKind
    #: Absolute path, or URL without password and query; for a study of this database, its name.
    locator: str
    #: Whether it is a study of this database rather than an import.
    is_own: bool
    #: Goal by name; None: unknown. The optimized metric comes first, if known.
    metrics: Mapping[str, Goal | None]
    #: Names of all parameters that any of its trials recorded or its space declares.
    parameters: frozenset[str]
    #: Fingerprints, None if unknown.
    data: str | None
    code: str | None
    image: str | None
    #: Number of trials that `HistoryStore.load` would return.
    trials: int
    #: When the last of them ended, in seconds since the epoch.
    finished: float | None
    #: Changes whenever the trials or anything here changes: usable as the key of a cache.
    version: str
    #: What was lost in the import, in words.
    notes: tuple[str, ...] = ()
    #: Locators of further places with runs of it that imports found and did not store again, such
    #: as the log root of a study of this database.
    also_at: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HistoricStudy:
    """A study with its trials, in the order of their keys."""

    key: str
    kind: HistoryKind
    locator: str
    metrics: Mapping[str, Goal | None]
    #: None: unknown (event files contain only the values).
    space: SearchSpace | None
    #: What all its trials had in common, besides their parameters.
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

    #: Where: a path or a row, in a form in which a person finds it.
    path: str
    reason: str
    #: How many runs or files this stands for.
    count: int = 1
