"""Imports on a screen: their progress, and the result for each path."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.submission import Submitted
    from tuner.history.import_report import ImportReport, StudyReport
    from tuner.local.submission import Submission


class _Bar:
    """A progress bar of runs. Mutable: its total grows as studies are found."""

    def __init__(self, update: Any) -> None:
        self._update = update
        self._total = 0

    def found(self, runs: int) -> None:
        """Add a number of runs that are to be read."""
        self._total += runs
        # The number of runs in a table is unknown until all of it was read.
        self._update(total=self._total or None)

    def read(self, runs: int) -> None:
        """Count a number of runs as read."""
        self._update(advance=runs)


@contextlib.contextmanager
def import_progress() -> Iterator[_Bar]:
    """Show on a terminal how many runs an import has read."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from tuner.cli.render.output import err

    console = err()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_interactive
    ) as progress:
        task = progress.add_task("reading runs", total=None)
        yield _Bar(lambda **change: progress.update(task, **change))


def send_with_progress(submission: Submission, api: ApiClient) -> Submitted:
    """Submit a study; if it lists paths of history, show the progress of their import."""
    from tuner.cli.render.waiting import waiting

    if not submission.spec.lists_paths:
        with waiting("sending the study and its code"):
            return submission.send(api)
    with import_progress() as bar:
        return submission.send(api, bar)


def print_report(report: ImportReport) -> None:
    """Print the result for a path: counts, each study with its notes, rejections."""
    from tuner.cli.render.output import out

    say = out()
    counts = f"{report.imported} imported, {report.unchanged} unchanged, {report.rejected} rejected"
    say.print(f"{report.locator}: {report.found} found: {counts}", markup=False, soft_wrap=True)
    for study in report.studies:
        if study.imported or study.own or study.same_as or study.notes:
            say.print(f"  {_study_line(study)}", markup=False, soft_wrap=True)
            for note in study.notes:
                say.print(f"    {note}", markup=False, soft_wrap=True)
    refused = [*report.refused, *(r for study in report.studies for r in study.refused)]
    for item in refused[:_SHOWN]:
        more = f" ({item.count})" if item.count > 1 else ""
        say.print(f"  rejected  {item.path}: {item.reason}{more}", markup=False, soft_wrap=True)
    if report.rejected > min(len(refused), _SHOWN) and not report.is_unchanged:
        say.print("  all that was rejected: tuner history list --rejected", markup=False)


#: Maximum number of lines about rejections.
_SHOWN = 5


def _study_line(study: StudyReport) -> str:
    parts = [f"{study.imported} imported"] if study.imported else []
    if study.corrected:
        runs = f"{study.corrected} run{'' if study.corrected == 1 else 's'}"
        parts.append(f"corrects {runs} that an earlier release read wrongly")
    if study.own:
        parts.append(f"{study.own} are trials of a study in this database, not counted twice")
    if study.same_as:
        parts.append(f"the same runs as {study.same_as}, not counted twice")
    return ", ".join([f"{study.key}  {study.kind}", *parts])
