"""Kinds of history, and the files and folders that are recognized by their content.

To add a kind of file: its module, and its line in `IMPORTERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tuner.registry.extension import Extension
from tuner.registry.plugins import NAME
from tuner.registry.registry import Registry


def _reads_no_file(file: object) -> None:
    del file


@dataclass(frozen=True, kw_only=True)
class HistoryImporter(Extension):
    """An importer that reads folders as well; for files alone an `Extension` is enough.

    Args:
        make: takes a `FoundFile`; by default it reads no files.
        folder: takes a `FoundFolder`; None: it reads no folders.
    """

    make: Callable[..., Any] | str = _reads_no_file
    folder: Callable[..., Any] | None = None


#: Each takes a `FoundFile` and returns None if it is of another kind, else its content: see
#: `tuner.history.importers.plugins`. Importers from packages are tried before these, which guess.
IMPORTERS = Registry(
    noun="importer",
    group="tuner.importers",
    built_in={
        "csv": Extension(
            make="tuner.history.importers.tables.file:open_csv", says="a CSV file with a header"
        ),
    },
    # Kinds of folders, databases and servers, which `tuner.history.importers.targets` recognizes;
    # "study" is one of Tuner's own, from this database or a log root, and "none" is not a kind.
    reserved=("study", "hparams", "kerastuner", "optuna", "mlflow", "wandb", "neptune", "none"),
)
#: The kinds that Tuner itself reads.
KINDS = (
    "study",
    "hparams",
    "kerastuner",
    "optuna",
    *IMPORTERS.built_in,
    "mlflow",
    "wandb",
    "neptune",
)


def folder_importers() -> dict[str, Callable[..., Any]]:
    """Return the functions that read folders, by the names of their importers."""
    usable = IMPORTERS.usable().items()
    importers = {name: one for name, one in usable if isinstance(one, HistoryImporter)}
    return {name: one.folder for name, one in importers.items() if one.folder is not None}


def is_kind(kind: str) -> bool:
    """Whether a study in history may be of this kind: Tuner's, or the name of a plugin's.

    The package need not be installed here: files are read where the import runs, and the server
    only stores what it is sent.
    """
    return kind in KINDS or (NAME.fullmatch(kind) is not None and kind not in IMPORTERS.reserved)
