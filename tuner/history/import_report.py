"""The results of an import, by path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tuner.history.store.records import Rejection


@dataclass(kw_only=True)
class StudyReport:
    """The result for one study. Mutable while it is imported."""

    key: str
    kind: str
    locator: str
    imported: int = 0
    unchanged: int = 0
    rejected: int = 0
    #: Number of runs that an earlier release read incorrectly from the same files.
    corrected: int = 0
    #: How many of `unchanged` are trials of studies of this database, which are not stored twice.
    own: int = 0
    #: Another import with exactly these runs, because of which nothing was stored.
    same_as: str | None = None
    notes: Sequence[str] = ()
    #: The first few rejections.
    refused: Sequence[Rejection] = ()


@dataclass(kw_only=True)
class ImportReport:
    """The result for a path or URL; `found` = `imported` + `unchanged` + `rejected`."""

    locator: str
    imported: int = 0
    unchanged: int = 0
    rejected: int = 0
    studies: list[StudyReport] = field(default_factory=list)
    #: The first few rejections that belong to no study.
    refused: Sequence[Rejection] = ()
    #: Whether nothing there has changed since its last import.
    is_unchanged: bool = False

    @property
    def found(self) -> int:
        """The number of runs, and of things that may have been runs."""
        return self.imported + self.unchanged + self.rejected

    def add(self, study: StudyReport) -> None:
        """Count a study."""
        self.studies.append(study)
        self.imported += study.imported
        self.unchanged += study.unchanged
        self.rejected += study.rejected

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {**asdict(self), "found": self.found}
