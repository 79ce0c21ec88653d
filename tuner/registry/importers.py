"""Kinds of history, and the files that are told by their content.

To add a kind of file: its module, and its line in `IMPORTERS`.
"""

from __future__ import annotations

from tuner.registry.extension import Extension
from tuner.registry.plugins import NAME
from tuner.registry.registry import Registry

#: Each takes a `FoundFile` and returns None where it is of another kind, else what is in it: see
#: `tuner.history.importers.files`. Those of packages are asked before these, which guess.
IMPORTERS = Registry(
    noun="importer",
    group="tuner.importers",
    built_in={
        "csv": Extension(
            make="tuner.history.importers.tables.file:open_csv", says="a CSV file with a header"
        ),
    },
    # Of folders, databases and servers, which `tuner.history.importers.targets` tells apart;
    # "study" is one of Tuner's own, of this database or of a log root, and "none" is no kind.
    reserved=("study", "hparams", "kerastuner", "optuna", "mlflow", "wandb", "neptune", "none"),
)
#: What Tuner itself reads.
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


def is_kind(kind: str) -> bool:
    """Whether a study of the history may be of this kind: Tuner's, or one that a package names.

    The package need not be here: it reads where the import is made, and the server keeps what it
    is handed.
    """
    return kind in KINDS or (NAME.fullmatch(kind) is not None and kind not in IMPORTERS.reserved)
