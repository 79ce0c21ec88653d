"""A history of a test's own, into which files are imported without a server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tuner.history import HistoricStudy, HistoryStore
from tuner.history.import_report import ImportReport
from tuner.history.importing import Importer
from tuner.history.store.imported import Options
from tuner.history.store.writing import HistoryWriter
from tuner.storage import open_storage

#: Runs that other tools have made (`make_runs.py` there).
DATA = Path(__file__).parents[2] / "data" / "history"


class Counter:
    """Takes down the progress of imports."""

    def __init__(self) -> None:
        self.expected = self.done = 0

    def found(self, runs: int) -> None:
        self.expected += runs

    def read(self, runs: int) -> None:
        self.done += runs


class HistoryLab:
    """A database and imports into it.

    Args:
        url: of the database, which is made.
    """

    def __init__(self, url: str) -> None:
        self.storage = open_storage(url, create=True)
        self.store = HistoryStore(self.storage)
        self.writer = HistoryWriter(self.storage)
        self.progress = Counter()

    def add(
        self, path: Path | str, options: Options | None = None, *, log_root: Path | None = None
    ) -> ImportReport:
        """Import a path; whatever it holds, the counts must add up."""
        importer = Importer(self.writer, options, self.progress, log_root=log_root)
        report = importer.add(str(path))
        assert self.progress.done >= self.progress.expected
        assert report.found == report.imported + report.unchanged + report.rejected
        listed = sum(study.rejected for study in report.studies)
        assert report.rejected >= listed
        return report

    def only(self) -> HistoricStudy:
        """Return the one study there is."""
        (summary,) = self.store.studies()
        return self.store.load(summary.key)

    def named(self, name: str) -> HistoricStudy:
        """Return the study whose locator ends with `name`."""
        (summary,) = [s for s in self.store.studies() if s.locator.endswith(name)]
        return self.store.load(summary.key)

    def reasons(self) -> dict[str, str]:
        """Return why things were rejected, by the last part of their path."""
        return {item.path.rpartition("/")[2]: item.reason for _, item in self.store.rejected()}


@contextlib.contextmanager
def open_lab(url: str) -> Iterator[HistoryLab]:
    """Open a lab; its database is closed at the end."""
    lab = HistoryLab(url)
    try:
        yield lab
    finally:
        lab.storage.close()
