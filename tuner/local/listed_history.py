"""Imports the paths that a spec lists as history, before the study is submitted."""

from __future__ import annotations

from pathlib import Path

from tuner.errors import SpecError
from tuner.history.choosing.selection import is_under
from tuner.history.importing import Importer, Progress
from tuner.history.store.imported import Ingest, Options
from tuner.spec import StudySpec
from tuner.spec.history import HistoryItem, is_url

_TABLES = (".csv", ".tsv", ".txt")


class Silent:
    """A `Progress` that does nothing."""

    def found(self, runs: int) -> None:
        """See `Progress`."""

    def read(self, runs: int) -> None:
        """See `Progress`."""


def import_listed(spec: StudySpec, ingest: Ingest, progress: Progress | None = None) -> None:
    """Import what a spec lists by path; unchanged sources are not read again.

    For a path that no longer exists, or a database behind a server, the earlier import is used.

    Args:
        spec: its paths are absolute.
        progress: notified of the progress.

    Raises:
        SpecError: a path does not exist and was never imported, or is not the URL of a database.
        UnavailableError: the history, or a database, cannot be reached.
    """
    listed = [item for item in spec.history if item.path is not None and item.weight > 0]
    if not listed:
        return
    known = [entry["locator"] for entry in ingest.history_imports() if entry["kind"] != "none"]
    for item in listed:
        was_imported = any(is_under(locator, item.place) for locator in known)
        if _is_readable(item.place, was_imported=was_imported):
            options = None if was_imported else _options(spec, item)
            Importer(ingest, options, progress or Silent()).add(item.place)


def _options(spec: StudySpec, item: HistoryItem) -> Options | None:
    """Return which columns of a table are metrics: this study's; other files say it themselves."""
    if Path(item.place).suffix.lower() not in _TABLES:
        return None
    old = {new: name for name, new in reversed(item.rename.items()) if new is not None}
    return Options(
        metrics=tuple(old.get(metric.name, metric.name) for metric in spec.metrics),
        goals=tuple(metric.goal for metric in spec.metrics),
    )


def _is_readable(path: str, *, was_imported: bool) -> bool:
    """Whether a path has to be read; otherwise its earlier import is all there is.

    Raises:
        SpecError: there is nothing, neither here nor in the history.
    """
    if is_url(path):
        return not was_imported or path.startswith("sqlite:")
    try:
        Path(path).lstat()
    except OSError as exc:
        if was_imported:
            return False
        reason = exc.strerror or exc
        raise SpecError(f"history: {path}: {reason}; nothing was imported from there") from None
    return True
