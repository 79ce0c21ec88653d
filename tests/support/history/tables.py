"""Tables to be imported, and what came of them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.history.lab import HistoryLab
from tuner.history.choosing.finding import FoundHistory, find
from tuner.history.store.imported import Options
from tuner.history.store.records import HistoricTrial
from tuner.spec import parse_spec

RATE = {"type": "float", "low": 1e-4, "high": 0.1, "log": True}

SPEC = {
    "project": "vision",
    "study": "digits",
    "objective": "toy:train",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "search_space": {
        "lr": RATE,
        "units": {"type": "int", "low": 8, "high": 128},
        "optimizer": {"type": "categorical", "values": ["adam", "sgd"]},
    },
    "budget": {"trials": 3},
}


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    names = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*names])
        writer.writeheader()
        writer.writerows(rows)
    return path


def look(lab: HistoryLab, path: Path, **changes: object) -> FoundHistory:
    return find(lab.store, parse_spec({**SPEC, "history": [str(path)], **changes}))


def outcomes(lab: HistoryLab) -> list[tuple[str, str | None]]:
    return [(trial.state, trial.cause) for trial in lab.only().trials]


def trials(lab: HistoryLab) -> tuple[HistoricTrial, ...]:
    return lab.only().trials


NAMED = Options(metrics=("val_acc",), goals=("maximize",))
