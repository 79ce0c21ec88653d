"""Optuna's studies in a database, read with plain SQL in a read-only transaction.

Optuna's own storage class would create missing tables, refuse other releases of its schema, and
hold all trials in memory.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, json_to_distribution

from tuner.errors import SpecError
from tuner.history.importers.optuna.trials import (
    METRIC_NAMES,
    OptunaConverter,
    parse_attr,
    parse_utc,
    trial_key,
    trial_stamp,
)
from tuner.history.importers.sql_database import SqlDatabase
from tuner.history.store.imported import OUTCOMES, Facts, ImportedRun, ImportKind, Options
from tuner.history.store.records import Rejection

_TABLES = (
    "studies",
    "study_directions",
    "study_user_attributes",
    "study_system_attributes",
    "trials",
    "trial_params",
    "trial_values",
    "trial_intermediate_values",
    "trial_user_attributes",
    "trial_system_attributes",
)
#: Number of trials in memory at a time.
_PAGE = 1000
_SPECIAL = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}


class OptunaDatabase:
    """The tables of Optuna's studies.

    Args:
        database: an open database.

    Raises:
        SpecError: it contains no Optuna studies.
        UnavailableError: the database cannot be reached.
    """

    def __init__(self, database: SqlDatabase) -> None:
        self.locator = database.locator
        self._database = database
        if not {"studies", "trials", "trial_params", "trial_values"} <= database.names:
            raise SpecError(f"{self.locator}: holds no studies of Optuna's")
        if "tuner_studies" in database.names:
            raise SpecError(
                f"{self.locator}: is a database of Tuner's; import its log root instead"
            )
        self._tables = database.reflect(_TABLES)

    def studies(self) -> list[OptunaStudy]:
        """Return the studies, in the order of their creation."""
        table = self._tables["studies"]
        with self.read() as connection:
            rows = connection.execute(sa.select(table).order_by(table.c.study_id)).all()
        return [OptunaStudy(self, row.study_id, row.study_name) for row in rows]

    def read(self) -> contextlib.AbstractContextManager[sa.Connection]:
        """Open a read-only transaction; raises as `SqlDatabase.read` does."""
        return self._database.read()

    def table(self, name: str) -> sa.Table | None:
        """Return a table; None in a release of Optuna that lacks it."""
        return self._tables.get(name)


class OptunaStudy:
    """A study of a database."""

    kind: ImportKind = "optuna"
    whole = False
    gone: frozenset[str] = frozenset()

    def __init__(self, database: OptunaDatabase, number: int, name: str) -> None:
        self.name = name
        self.locator = f"{database.locator}#{name}"
        self._database = database
        self._number = number
        self._converter: OptunaConverter | None = None
        self._ids: dict[str, tuple[int, str]] = {}

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        trials = self._table("trials")
        columns = (trials.c.trial_id, trials.c.number, trials.c.state, trials.c.datetime_complete)
        query = sa.select(*columns).where(trials.c.study_id == self._number)
        stamps: dict[str, str] = {}
        with self._database.read() as connection:
            for row in connection.execute(query.order_by(trials.c.trial_id)):
                key = trial_key(row.number)
                stamps[key] = trial_stamp(row.state, parse_utc(row.datetime_complete))
                self._ids[key] = (row.trial_id, row.state)
        return stamps

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        ended: list[int] = []
        for key in keys:
            number, state = self._ids[key]
            if state in OUTCOMES:
                ended.append(number)
            else:
                reason = "has not ended" if state == "RUNNING" else "was never started"
                yield Rejection(path=f"{self.locator}, trial {int(key)}", reason=reason)
        with self._database.read() as connection:
            self._converter = self._make_converter(connection, options)
            for start in range(0, len(ended), _PAGE):
                for trial in self._load(connection, ended[start : start + _PAGE]):
                    yield self._converter.run(trial, trial.state)

    def facts(self, options: Options) -> Facts:
        """See `FoundStudy`."""
        if self._converter is None:
            with self._database.read() as connection:
                self._converter = self._make_converter(connection, options)
        return self._converter.facts()

    def distributions(self) -> Mapping[str, BaseDistribution]:
        """Return the distributions of the trials that were read, by parameter name."""
        return {} if self._converter is None else self._converter.distributions

    def _make_converter(self, connection: sa.Connection, options: Options) -> OptunaConverter:
        directions = self._database.table("study_directions")
        if directions is None:
            raise SpecError(f"{self.locator}: is of an Optuna before 2.4, which cannot be read")
        rows = connection.execute(
            sa.select(directions.c.direction)
            .where(directions.c.study_id == self._number)
            .order_by(directions.c.objective)
        )
        return OptunaConverter(
            rows.scalars().all(),
            self._attrs(connection, "study_system_attributes").get(METRIC_NAMES),
            self._attrs(connection, "study_user_attributes"),
            options,
        )

    def _attrs(self, connection: sa.Connection, name: str) -> dict[str, Any]:
        table = self._database.table(name)
        if table is None:
            return {}
        query = sa.select(table.c.key, table.c.value_json).where(table.c.study_id == self._number)
        return {row.key: parse_attr(row.value_json) for row in connection.execute(query)}

    def _load(self, connection: sa.Connection, ids: Sequence[int]) -> list[_Trial]:
        """Return trials by id, in the order of their numbers."""
        table = self._table("trials")
        found: dict[int, _Trial] = {
            row.trial_id: _Trial(
                number=row.number,
                state=row.state,
                datetime_start=parse_utc(row.datetime_start),
                datetime_complete=parse_utc(row.datetime_complete),
            )
            for row in connection.execute(sa.select(table).where(table.c.trial_id.in_(ids)))
        }
        for row in self._rows(connection, "trial_params", ids):
            distribution = _distribution(row.distribution_json)
            if distribution is not None:
                trial = found[row.trial_id]
                trial.distributions[row.param_name] = distribution
                with contextlib.suppress(ValueError, IndexError, TypeError):
                    value = distribution.to_external_repr(row.param_value)
                    trial.params[row.param_name] = value
        values: dict[int, dict[int, float]] = {}
        for row in self._rows(connection, "trial_values", ids):
            by_index = values.setdefault(row.trial_id, {})
            by_index[row.objective] = _number(row.value, getattr(row, "value_type", None))
        for trial_id, by_index in values.items():
            found[trial_id].values = [by_index[index] for index in sorted(by_index)]
        for row in self._rows(connection, "trial_intermediate_values", ids):
            kind = getattr(row, "intermediate_value_type", None)
            found[row.trial_id].intermediate_values[row.step] = _number(
                row.intermediate_value, kind
            )
        for row in self._rows(connection, "trial_user_attributes", ids):
            found[row.trial_id].user_attrs[row.key] = parse_attr(row.value_json)
        for row in self._rows(connection, "trial_system_attributes", ids):
            found[row.trial_id].system_attrs[row.key] = parse_attr(row.value_json)
        return sorted(found.values(), key=lambda trial: trial.number)

    def _rows(self, connection: sa.Connection, name: str, ids: Sequence[int]) -> Iterable[Any]:
        table = self._database.table(name)
        if table is None:
            return ()
        return connection.execute(sa.select(table).where(table.c.trial_id.in_(ids)))

    def _table(self, name: str) -> sa.Table:
        table = self._database.table(name)
        if table is None:
            raise SpecError(f"{self.locator}: has no table {name}")
        return table


@dataclass(kw_only=True)
class _Trial:
    """A trial while it is being assembled."""

    number: int
    state: str
    datetime_start: datetime | None
    datetime_complete: datetime | None
    params: dict[str, Any] = field(default_factory=dict)
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)
    intermediate_values: dict[int, float] = field(default_factory=dict)
    user_attrs: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)
    values: list[float] = field(default_factory=list)


def _distribution(text: str) -> BaseDistribution | None:
    known = _known_distributions.get(text)
    if known is None:
        try:
            known = json_to_distribution(text)
        except (ValueError, KeyError, TypeError):
            return None
        if len(_known_distributions) < 10_000:
            _known_distributions[text] = known
    return known


#: Nearly all trials of a study have the same ones, and parsing takes longer than everything else.
_known_distributions: dict[str, BaseDistribution] = {}


def _number(value: float | None, kind: str | None) -> float:
    if value is None or kind in _SPECIAL:
        return _SPECIAL.get(str(kind), math.nan)
    return float(value)
