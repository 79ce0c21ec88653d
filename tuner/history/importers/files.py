"""What a file is, told by its beginning; packages may know further kinds.

An importer of `tuner.registry.IMPORTERS` is a function that takes a `FoundFile` and returns None
where the file is not of its kind, else what is in it, one by one:

* a `HistoricTrial`: a run, with a key that no other run of the file has;
* a `Rejection`: a run that cannot be used, and why;
* `Facts`, of which the goals of metrics and the notes are taken.

(Tuner's own may return a `FoundStudy` in their place.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import SpecError
from tuner.history.importers.file_study import FileStudy, Item
from tuner.history.importers.listing import Refuse
from tuner.history.importers.source import FoundStudy
from tuner.history.importers.trackers.wandb_export import WandbExport, read_records
from tuner.history.importers.trackers.wandb_export import is_run as is_wandb_run
from tuner.history.store.cleaning import clean_text
from tuner.history.store.records import Rejection
from tuner.registry import IMPORTERS

#: Objects of a JSON file in which is looked for a run.
_LOOKED_AT = 100


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """A regular file that was named.

    Attributes:
        path: absolute.
        start: its first 4096 bytes, at least one.
        stamp: changes when the file does.
    """

    path: Path
    start: bytes
    stamp: str


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What reads a file.

    Attributes:
        studies: returns what is in it.
        package: that brought the importer, with its version: another one may read it otherwise.
    """

    studies: Callable[[], list[FoundStudy]]
    package: str | None = None


def recognise(file: FoundFile, refuse: Refuse) -> Reading:
    """Return what reads a file.

    Args:
        refuse: told of a package's importer that failed.

    Raises:
        SpecError: it is of no known kind.
    """
    if file.start.startswith(b"{") and b'"op_code"' in file.start:
        return Reading(studies=lambda: _journal(file.path))
    damage: SpecError | None = None
    if file.start.lstrip()[:1] in (b"[", b"{"):
        try:
            if any(map(is_wandb_run, read_records(file.path)[:_LOOKED_AT])):
                return Reading(studies=lambda: [WandbExport(file.path, file.stamp)])
        except SpecError as exc:
            damage = exc  # unless it is of a kind that only begins like JSON
    usable = IMPORTERS.usable()
    added = [name for name in usable if name not in IMPORTERS.built_in]
    for name in (*added, *IMPORTERS.built_in):
        found = _ask(name, file, refuse)
        if found:
            return Reading(studies=found.copy, package=IMPORTERS.package_of(name))
    raise damage or _unknown_kind(file.path, [usable[name].says or name for name in added])


def _ask(name: str, file: FoundFile, refuse: Refuse) -> list[FoundStudy]:
    """Return the study that an importer finds in a file, none where it is not of its kind."""
    make: Callable[[FoundFile], FoundStudy | Iterable[Item] | None] = IMPORTERS.make(name)
    package = IMPORTERS.package_of(name)
    title = f"the importer {name!r} of {package or 'Tuner'}"
    try:
        found = make(file)
        if found is None:
            return []
        if package is None and not isinstance(found, Iterable):
            return [found]
        items: Iterator[Item] = iter(found)  # type: ignore[arg-type]
    # A package's fault must not keep the others from the file.
    except Exception as exc:
        if package is None:
            raise
        reason = clean_text(f"{title} failed: {type(exc).__name__}: {exc}", 300)
        refuse(Rejection(path=str(file.path), reason=reason))
        return []
    return [FileStudy(name, title, str(file.path), file.stamp, items)]


def _unknown_kind(path: Path, added: list[str]) -> SpecError:
    known = [
        "a folder with TensorBoard, KerasTuner or Tuner runs",
        "a database of Optuna or MLflow",
        "an Optuna journal",
        *(extension.says for extension in IMPORTERS.built_in.values()),
        "JSON of runs that W&B's API gave",
        *added,
    ]
    left_out = "".join(f"; {problem}" for problem in IMPORTERS.problems())
    return SpecError(f"{path}: is of no known kind; known: {', '.join(known)}{left_out}")


def _journal(path: Path) -> list[FoundStudy]:
    # Optuna takes a third of a second to import; most imports need nothing of it.
    from tuner.history.importers.optuna.journal import open_journal

    return [*open_journal(path)]
