"""MLflow's tracking store in a database: an SQLite file, or on a server."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from tuner.errors import SpecError
from tuner.history.importers.folders import stamp_of
from tuner.history.importers.sql_database import SqlDatabase
from tuner.history.importers.trackers.tracked import TrackedRun, TrackedStudy, plain_text
from tuner.history.store.cleaning import clean_key
from tuner.history.store.imported import ImportedRun, ImportKind, Options
from tuner.history.store.records import Rejection

_TABLES = ("experiments", "runs", "params", "metrics", "latest_metrics")
_NEEDED = frozenset({"experiments", "runs", "params", "metrics"})
#: Number of runs in memory at a time.
_PAGE = 200


def is_mlflow(tables: Collection[str]) -> bool:
    """Whether a database with these tables is an MLflow tracking store."""
    return set(tables) >= _NEEDED and "studies" not in tables


class MlflowDatabase:
    """The tables of a tracking store.

    Args:
        database: an open database.
    """

    def __init__(self, database: SqlDatabase) -> None:
        self.locator = database.locator
        self.database = database
        self.tables = database.reflect(_TABLES)

    def experiments(self) -> list[MlflowExperiment]:
        """Return the experiments that have runs, in the order of their creation."""
        table, runs = self.tables["experiments"], self.tables["runs"]
        query = (
            sa.select(table)
            .where(table.c.experiment_id.in_(sa.select(runs.c.experiment_id)))
            .order_by(table.c.experiment_id)
        )
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        return [MlflowExperiment(self, row.experiment_id, str(row.name)) for row in rows]


class MlflowExperiment(TrackedStudy):
    """An experiment of a database."""

    kind: ImportKind = "mlflow"

    def __init__(self, store: MlflowDatabase, number: int, name: str) -> None:
        super().__init__(f"{store.locator}#{name}")
        self.name = name
        self._store = store
        self._number = number
        self._runs: dict[str, Any] = {}
        self._stamps: dict[str, str] = {}

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        runs = self._store.tables["runs"]
        query = sa.select(runs).where(runs.c.experiment_id == self._number)
        with self._store.database.read() as connection:
            for row in connection.execute(query.order_by(runs.c.start_time, runs.c.run_uuid)):
                key = clean_key(str(row.run_uuid))
                self._runs[key] = row
                self._stamps[key] = stamp_of((row.status, row.end_time, row.lifecycle_stage))
        return self._stamps

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        wanted = list(keys)
        with self._store.database.read() as connection:
            for start in range(0, len(wanted), _PAGE):
                for run in self._load(connection, wanted[start : start + _PAGE]):
                    where = f"{self.locator}, run {run.key}"
                    yield self.taken(where, partial(self._checked, run), options)

    def _checked(self, run: TrackedRun) -> TrackedRun:
        if self._runs[run.key].lifecycle_stage == "deleted":
            raise ValueError("was deleted in MLflow")
        return run

    def _load(self, connection: sa.Connection, keys: Sequence[str]) -> list[TrackedRun]:
        """Return runs by key."""
        found = {key: self._begin(key) for key in keys}
        for row in self._rows(connection, "params", keys):
            found[row.run_uuid].params[str(row.key)] = plain_text(str(row.value))
        metrics = self._store.tables["metrics"]
        for row in self._rows(connection, "metrics", keys, metrics.c.timestamp):
            value = math.nan if row.is_nan else row.value
            found[row.run_uuid].add_point(str(row.key), row.step, value)
        return list(found.values())

    def _begin(self, key: str) -> TrackedRun:
        row = self._runs[key]
        return TrackedRun(
            key=key,
            state=str(row.status),
            stamp=self._stamps[key],
            started=_seconds(row.start_time),
            finished=_seconds(row.end_time),
        )

    def _rows(
        self, connection: sa.Connection, name: str, keys: Sequence[str], *order: Any
    ) -> Iterable[Any]:
        table = self._store.tables.get(name)
        if table is None:
            raise SpecError(f"{self.locator}: has no table {name}")
        query = sa.select(table).where(table.c.run_uuid.in_(keys)).order_by(*order)
        return connection.execute(query)


def _seconds(milliseconds: object) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else None
