"""What became of the paths that were named at an import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tuner.history.store.records import Rejection


@dataclass(kw_only=True)
class StudyReport:
    """What became of one study. Mutable while it is imported."""

    key: str
    kind: str
    locator: str
    imported: int = 0
    unchanged: int = 0
    rejected: int = 0
    #: Runs of before that an earlier release had read otherwise from the same files, and wrongly.
    corrected: int = 0
    #: Of `unchanged`: trials of studies of this database, which are not kept twice.
    own: int = 0
    #: Another import with exactly these runs, for whose sake nothing was kept.
    same_as: str | None = None
    notes: Sequence[str] = ()
    #: The first few of what was rejected.
    refused: Sequence[Rejection] = ()


@dataclass(kw_only=True)
class ImportReport:
    """What became of a path or URL; `found` = `imported` + `unchanged` + `rejected`."""

    locator: str
    imported: int = 0
    unchanged: int = 0
    rejected: int = 0
    studies: list[StudyReport] = field(default_factory=list)
    #: The first few of what was rejected and belongs to no study.
    refused: Sequence[Rejection] = ()
    #: Whether nothing there has changed since it was last imported.
    is_unchanged: bool = False

    @property
    def found(self) -> int:
        """How many runs there are, and things that may have been runs."""
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
