"""The formats that `tuner export` writes. To add one: its module, and its line here."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.registry.extension import Extension
from tuner.registry.registry import Registry

_IN = "tuner.exporters.formats"


@dataclass(frozen=True, kw_only=True)
class Exporter(Extension):
    """An entry in the table of exporters; a package may add one, too.

    Args:
        suffix: the suffix of the file if no name is given, appended to the study's name; empty: a
            dot and the exporter's name.
        takes_curves: whether it writes the trials' reports; otherwise they need not be read.
    """

    suffix: str = ""
    takes_curves: bool = True


#: Each takes a `tuner.exporters.formats.ExportedStudy` and the path to write to.
EXPORTERS = Registry(
    noun="exporter",
    group="tuner.exporters",
    built_in={
        "csv": Exporter(
            make=f"{_IN}.tables:write_csv",
            says="a CSV file, one row a trial",
            takes_curves=False,
        ),
        "json": Exporter(make=f"{_IN}.tables:write_json", says="a JSON file with curves and spec"),
        "mlflow": Exporter(
            make=f"{_IN}.mlflow:write_store",
            says="a folder in the layout of mlruns/, MLflow's file store",
            suffix=".mlruns",
        ),
        "wandb": Exporter(
            make=f"{_IN}.wandb:write_runs",
            says="a file with a line of JSON a run, as W&B's API gives it",
            suffix=".wandb.jsonl",
        ),
    },
)


def exporter(name: str) -> Exporter:
    """Return an exporter; raises as `Registry.find` does."""
    found = EXPORTERS.find(name)
    return found if isinstance(found, Exporter) else Exporter(make=found.make, says=found.says)
