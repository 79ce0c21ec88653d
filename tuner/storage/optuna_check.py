"""Reads Optuna's tables as they are, whatever they hold: for checks and repairs."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages._rdb import models

_studies = models.StudyModel.__table__
_trials = models.TrialModel.__table__
_params = models.TrialParamModel.__table__
_values = models.TrialValueModel.__table__
_study_attrs = models.StudySystemAttributeModel.__table__
_trial_attrs = models.TrialSystemAttributeModel.__table__


def study_names(connection: sa.Connection) -> dict[int, str]:
    """Return the names of Optuna's studies by id."""
    query: sa.Select[Any] = sa.select(_studies.c.study_id, _studies.c.study_name)
    return {row.study_id: str(row.study_name) for row in connection.execute(query)}


def trials_of(connection: sa.Connection, study_id: int) -> dict[int, tuple[int, str]]:
    """Return number and state, as stored, of a study's trials by Optuna's id."""
    state = sa.cast(_trials.c.state, sa.String).label("state")
    query: sa.Select[Any] = sa.select(_trials.c.trial_id, _trials.c.number, state)
    rows = connection.execute(query.where(_trials.c.study_id == study_id))
    return {row.trial_id: (row.number, str(row.state)) for row in rows}


def has_trial(connection: sa.Connection, trial_id: int, study_id: int, number: int) -> bool:
    """Whether an id belongs to this trial of this study."""
    query = sa.select(_trials.c.trial_id).where(
        _trials.c.trial_id == trial_id,
        _trials.c.study_id == study_id,
        _trials.c.number == number,
    )
    return connection.execute(query).first() is not None


def params_of(
    connection: sa.Connection, trial_id: int
) -> dict[str, tuple[float, BaseDistribution]]:
    """Return a trial's internal values and distributions by name.

    Raises:
        ValueError: a distribution cannot be read.
    """
    query: sa.Select[Any] = sa.select(
        _params.c.param_name, _params.c.param_value, _params.c.distribution_json
    )
    rows = connection.execute(query.where(_params.c.trial_id == trial_id))
    return {
        row.param_name: (float(row.param_value), json_to_distribution(row.distribution_json))
        for row in rows
    }


def values_of(connection: sa.Connection, trial_id: int) -> list[float]:
    """Return the finite values stored for a trial, in the order of the metrics."""
    query: sa.Select[Any] = sa.select(_values.c.value).where(
        _values.c.trial_id == trial_id, _values.c.value.is_not(None)
    )
    return [float(v) for v in connection.execute(query.order_by(_values.c.objective)).scalars()]


def texts_of(connection: sa.Connection, study_id: int) -> list[tuple[str, int, str, Any]]:
    """Return the system attributes of a study and of its trials.

    Returns:
        "study" or "trial", the id, the key, and the JSON text as stored.
    """
    trials = sa.select(_trials.c.trial_id).where(_trials.c.study_id == study_id)
    found: list[tuple[str, int, str, Any]] = []
    for what, table, owner, mine in (
        ("study", _study_attrs, "study_id", _study_attrs.c.study_id == study_id),
        ("trial", _trial_attrs, "trial_id", _trial_attrs.c.trial_id.in_(trials)),
    ):
        query = sa.select(table.c[owner], table.c.key, table.c.value_json).where(mine)
        found += [(what, row[0], row[1], row[2]) for row in connection.execute(query)]
    return found


def drop_text(connection: sa.Connection, what: str, owner: int, key: str) -> None:
    """Remove a system attribute of a study or of a trial."""
    table = _study_attrs if what == "study" else _trial_attrs
    column = table.c[f"{what}_id"]
    connection.execute(table.delete().where(column == owner, table.c.key == key))


def set_state(connection: sa.Connection, trial_id: int, state: str) -> None:
    """Set a trial's state, given by its name."""
    connection.execute(_trials.update().where(_trials.c.trial_id == trial_id).values(state=state))


def orphans(connection: sa.Connection) -> dict[str, int]:
    """Return the number of rows in Optuna's tables whose study or trial does not exist."""
    found = {}
    for table, where in _orphaned():
        query = sa.select(sa.func.count()).select_from(table).where(where)
        count = connection.execute(query).scalar_one()
        if count:
            found[table.name] = count
    return found


def drop_orphans(connection: sa.Connection) -> None:
    """Remove the rows that `orphans` counts."""
    # Twice: removing a trial without a study orphans the rows of that trial.
    for _ in range(2):
        for table, where in _orphaned():
            connection.execute(table.delete().where(where))


def _orphaned() -> list[tuple[Any, sa.ColumnElement[bool]]]:
    found: list[tuple[Any, sa.ColumnElement[bool]]] = []
    tables = models.BaseModel.metadata.tables
    for name, owner in (("trial_id", _trials), ("study_id", _studies)):
        for table in tables.values():
            if name in table.c and table is not owner:
                there = sa.select(owner.c[name])
                found.append((table, table.c[name].not_in(there)))
    return found
