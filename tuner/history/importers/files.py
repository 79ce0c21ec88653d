"""Recognizes a file by its beginning; packages may add further kinds.

An importer in `tuner.registry.IMPORTERS` is a function that takes a `FoundFile` and returns None if
the file is not of its kind, else its content; `tuner.history.importers.plugins` says in what form.
(Tuner's own importers may return a `FoundStudy` instead.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import SpecError
from tuner.history.importers.listing import Refuse
from tuner.history.importers.plugins.asking import ask, title_of
from tuner.history.importers.plugins.study import Item, PluginStudy
from tuner.history.importers.source import FoundStudy
from tuner.history.importers.trackers.wandb_export import WandbExport, read_records
from tuner.history.importers.trackers.wandb_export import is_run as is_wandb_run
from tuner.registry import IMPORTERS

#: Maximum number of objects of a JSON file in which to look for a run.
_LOOKED_AT = 100


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """A regular file given by the user.

    Attributes:
        path: absolute.
        start: its first 4096 bytes, at least one.
        stamp: changes whenever the file does.
    """

    path: Path
    start: bytes
    stamp: str


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A reader for a file.

    Attributes:
        studies: returns the studies in it.
        package: the package of the importer, with its version: another version may read it
            differently.
    """

    studies: Callable[[], list[FoundStudy]]
    package: str | None = None


def recognise(file: FoundFile, refuse: Refuse) -> Reading:
    """Return the reader for a file.

    Args:
        refuse: called for a plugin's importer that failed.

    Raises:
        SpecError: it is not of a known kind.
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
    """Return the study that an importer finds in a file, or none if it is not of its kind."""
    path = str(file.path)
    if name in IMPORTERS.built_in:
        found: FoundStudy | Iterable[Item] | None = IMPORTERS.make(name)(file)
        if found is not None and not isinstance(found, Iterable):
            return [found]
        items = None if found is None else iter(found)
    else:
        items = ask(name, IMPORTERS.make(name), file, path, refuse)
    return [] if items is None else [PluginStudy(name, title_of(name), path, file.stamp, items)]


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
    # Importing Optuna takes a third of a second; most imports do not need it.
    from tuner.history.importers.optuna.journal import open_journal

    return [*open_journal(path)]
