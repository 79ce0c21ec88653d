"""A database with studies of its own and imported ones, for tests of what history gives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tuner.history import HistoricTrial, HistoryStore
from tuner.history.choosing.finding import FoundHistory, find
from tuner.history.store.imported import Facts, ImportedRun
from tuner.history.store.writing import HistoryWriter
from tuner.service.service import Service
from tuner.settings import load_settings
from tuner.spec import parse_spec
from tuner.storage import Storage, open_storage, tables

SPACE: dict[str, Any] = {
    "train.rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "train.momentum": {"type": "float", "low": 0.0, "high": 1.0},
}
METRIC = {"name": "score", "goal": "maximize"}
#: Of a trial that ran, with the fields of a row that matter to history.
Row = Mapping[str, Any]


def make_spec(name: str, **changes: Any) -> dict[str, Any]:
    """Return the spec of a study in the project `vision`; `changes` replace whole keys."""
    return {
        "project": "vision",
        "study": name,
        "objective": "m:f",
        "metric": METRIC,
        "search_space": SPACE,
        "budget": {"trials": 1000},
        **changes,
    }


def grid(count: int, shift: float = 0.0) -> list[dict[str, Any]]:
    """Return the parameters of so many trials, spread over `SPACE`; `shift` makes others."""
    return [
        {
            "train.rate": 10 ** (-4 + 3 * ((n + 0.5 + shift) / count % 1)),
            "train.momentum": (n * 7 % count + 0.5) / count,
        }
        for n in range(count)
    ]


@dataclass(frozen=True)
class HistoryDatabase:
    """The database."""

    storage: Storage
    service: Service

    def add_study(
        self, name: str, trials: Sequence[Any], data: str | None = None, **changes: Any
    ) -> None:
        """Add a study with trials that ended; one is its parameters, or a whole `Row`."""
        spec = parse_spec(make_spec(name, **changes))
        self.service.submit(spec.to_json(), data=data)
        with self.storage.begin() as connection:
            s = tables.studies
            query = sa.select(s).where(s.c.project == spec.project, s.c.name == spec.study)
            study = connection.execute(query).one()
            for number, trial in enumerate(trials):
                row = trial if "params_json" in trial else complete(trial, float(number))
                key = {"study_id": study.id, "number": number, "optuna_id": -1}
                connection.execute(tables.trials.insert().values(**key, **row))

    def add_import(
        self,
        key: str,
        trials: Sequence[HistoricTrial],
        locator: str | None = None,
        kind: str = "hparams",
        **facts: Any,
    ) -> None:
        """Import a study; `facts` are the fields of `Facts`."""
        writer = HistoryWriter(self.storage)
        number = writer.history_begin(key, kind, locator or f"/logs/{key}")["number"]
        names = sorted(set().union(*(trial.params for trial in trials)))
        runs = [ImportedRun(trial=trial, stamp=trial.key).to_document() for trial in trials]
        writer.history_put(number, runs)
        known = Facts(**{"parameters": names, "metrics": {"score": "maximize"}, **facts})
        document = {"stamp": key, "facts": known.to_json(), "rejected": [], "own": 0}
        writer.history_finish(number, {**document, "replace": True})

    def find(
        self, name: str = "new", data: str | None = None, cache: Any = None, **changes: Any
    ) -> FoundHistory:
        """Return what history gives a new study; the counts of each receipt must add up."""
        spec = parse_spec(make_spec(name, **changes))
        found = find(HistoryStore(self.storage), spec, data=data, cache=cache)
        for receipt in found.receipts:
            assert receipt.used + sum(receipt.dropped.values()) == receipt.found
            assert bool(receipt.left_out) == (receipt.used == 0)
        json.dumps(found.to_json(), allow_nan=False)
        return found


def complete(params: Mapping[str, Any], score: float, **facts: Any) -> Row:
    """Return the row of a trial that ended with `score`; `facts` are other columns."""
    plain = {
        "state": "complete",
        "seed": 0,
        "proposal_json": "{}",
        "created": 0.0,
        "params_json": json.dumps(params),
        "objective": score,
        "started": score,
        "values_json": json.dumps([score]),
        "finished": 100.0 + score,
    }
    return {**plain, **facts}


@contextmanager
def history_database(folder: Path) -> Iterator[HistoryDatabase]:
    """Make an empty database in a folder."""
    storage = open_storage(f"sqlite:///{folder}/history.db", create=True)
    try:
        service = Service(storage, load_settings({"TUNER_HOME": str(folder)}))
        yield HistoryDatabase(storage, service)
    finally:
        storage.close()
