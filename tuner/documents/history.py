"""Studies of the history, and imports into it."""

from __future__ import annotations

from typing import Literal

from tuner.documents.document import Document


class HistoryMetric(Document):
    """A metric; its goal is null if it was not stated."""

    name: str
    goal: Literal["maximize", "minimize"] | None


class HistoryStudy(Document):
    """A study of the history without its trials."""

    key: str
    kind: str
    locator: str
    is_own: bool
    trials: int
    metrics: list[HistoryMetric]
    parameters: list[str]
    finished: str | None
    notes: list[str]


class HistoryRejection(Document):
    """Something that was found at an import and could not be used."""

    locator: str
    path: str
    reason: str
    count: int


class ImportOptions(Document):
    """What an import was told."""

    metrics: list[str]
    goals: list[Literal["maximize", "minimize"] | None]
    reduce: Literal["last", "best"]


class HistoryImport(Document):
    """An import: what it was read from, and its stamp by which a change is noticed."""

    key: str
    kind: str
    locator: str
    stamp: str
    rejected: int
    options: ImportOptions
    totals: dict[str, int]


class ImportBegun(Document):
    """The number of an import."""

    number: int


class RunsTaken(Document):
    """How many runs were taken, and how many are trials of this database."""

    kept: int
    own: int


class ImportDone(Document):
    """What became of an import."""

    key: str
    trials: int
    #: Another import with exactly the same runs, in favor of which this one was dropped.
    same_as: str | None
    #: Number of earlier runs that were dropped, or now have other parameters, values or outcomes.
    changed: int


class HistoryRemoved(Document):
    """What was forgotten."""

    removed: str
    trials: int
