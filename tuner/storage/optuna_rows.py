"""Writes Optuna's tables in our own transactions.

A trial enters Optuna's storage in the same commit as our rows for it, and so does its result: a
crash leaves all or nothing. Optuna's public methods commit one by one and cost 10.8 ms of CPU per
trial; this costs 1.3 ms (docs/decisions.md). The tables are Optuna's private module, hence the
check of its schema version here and the pinned release in pyproject.toml; a contract test compares
what is written with what Optuna's own methods write.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import TrialState

from tuner.errors import SetupError, StudyError
from tuner.storage import tables
from tuner.storage.revisions import OPTUNA_SCHEMA as SCHEMA_VERSION

if models.SCHEMA_VERSION != SCHEMA_VERSION:
    raise SetupError(
        f"this Optuna has storage schema {models.SCHEMA_VERSION}, Tuner needs {SCHEMA_VERSION}; "
        "install the pinned release (requirements-server.lock)"
    )

_studies = models.StudyModel.__table__
_directions = models.StudyDirectionModel.__table__
_study_attrs = models.StudySystemAttributeModel.__table__
_trials = models.TrialModel.__table__
_params = models.TrialParamModel.__table__
_values = models.TrialValueModel.__table__
_intermediate = models.TrialIntermediateValueModel.__table__
_trial_attrs = models.TrialSystemAttributeModel.__table__
_user_attrs = models.TrialUserAttributeModel.__table__

#: Tables whose rows belong to a trial.
_OF_A_TRIAL = (_params, _values, _intermediate, _trial_attrs, _user_attrs)
# Built once, because every trial needs them: to build a statement costs more than to execute it.
_INSERT_TRIAL = _trials.insert().returning(_trials.c.trial_id)
_INSERT_PARAMS = _params.insert()
_INSERT_VALUES = _values.insert()
_INSERT_INTERMEDIATE = _intermediate.insert()
_NAME = sa.select(_studies.c.study_name).where(_studies.c.study_id == sa.bindparam("of_study"))
_MINE = sa.and_(
    _trials.c.trial_id == sa.bindparam("of_trial"),
    _trials.c.study_id == sa.bindparam("of_study"),
    _trials.c.number == sa.bindparam("of_number"),
)
_IS_THERE = sa.select(_trials.c.trial_id).where(_MINE)
_FINISH = (
    _trials.update()
    .where(_MINE, _trials.c.state == TrialState.RUNNING)
    .values(state=sa.bindparam("new_state"), datetime_complete=sa.bindparam("ended"))
)


class MissingRowsError(StudyError):
    """Rows that a study of ours needs in Optuna's tables are missing, or not its own."""


def insert_study(connection: sa.Connection, name: str, goals: Sequence[str]) -> int:
    """Insert a study with a goal ("maximize" or "minimize") per metric; return its Optuna id.

    Raises:
        StudyError: Optuna's tables hold a study of that name that is not ours.
    """
    taken = sa.select(_studies.c.study_id).where(_studies.c.study_name == name)
    if connection.execute(taken).first() is not None:
        raise StudyError(
            f"Optuna's tables in this database hold a study {name!r} that Tuner has not made; "
            f"delete it there (optuna delete-study --study-name {name}), or choose another name"
        )
    fresh = _fresh_id(
        connection,
        _studies.c.study_id,
        tables.studies.c.optuna_id,
        *(table.c.study_id for table in (_trials, _directions, _study_attrs)),
    )
    study_id = connection.execute(
        _studies.insert().values(study_name=name, **fresh).returning(_studies.c.study_id)
    ).scalar_one()
    connection.execute(
        _directions.insert(),
        [
            {"study_id": study_id, "direction": StudyDirection[goal.upper()], "objective": i}
            for i, goal in enumerate(goals)
        ],
    )
    return int(study_id)


def insert_trial(
    connection: sa.Connection,
    study_id: int,
    number: int,
    *,
    params: Mapping[str, tuple[float, BaseDistribution]],
    system_attrs: Mapping[str, Any],
    started: float,
) -> int:
    """Insert a running trial; return its Optuna id.

    Args:
        params: internal representation and distribution by name.
    """
    row = {
        "number": number,
        "study_id": study_id,
        "state": TrialState.RUNNING,
        "datetime_start": _naive_utc(started),
        **_fresh_id(
            connection,
            _trials.c.trial_id,
            tables.trials.c.optuna_id,
            *(table.c.trial_id for table in _OF_A_TRIAL),
        ),
    }
    trial_id = connection.execute(_INSERT_TRIAL, row).scalar_one()
    add_params(connection, trial_id, params)
    set_trial_attrs(connection, trial_id, system_attrs, fresh=True)
    return int(trial_id)


def add_params(
    connection: sa.Connection, trial_id: int, params: Mapping[str, tuple[float, BaseDistribution]]
) -> None:
    """Add parameters to a running trial that was proposed without them.

    Args:
        connection: a writing one.
        trial_id: its Optuna id.
        params: internal representation and distribution by name; none that it already has.
    """
    if not params:
        return
    connection.execute(
        _INSERT_PARAMS,
        [
            {
                "trial_id": trial_id,
                "param_name": name,
                "param_value": value,
                "distribution_json": distribution_to_json(distribution),
            }
            for name, (value, distribution) in params.items()
        ],
    )


def require_study(connection: sa.Connection, study_id: int, name: str) -> None:
    """Check that an Optuna id still belongs to the study of this name.

    A user's script, or a dashboard on the same database, may have deleted the study; and SQLite
    reuses the highest id.

    Raises:
        MissingRowsError: there is no such study, or the id belongs to another one.
    """
    require_name(connection.execute(_NAME, {"of_study": study_id}).scalar_one_or_none(), name)


def require_name(found: str | None, name: str) -> None:
    """Check the name that Optuna's tables have for a study; None: it is not in them.

    Raises:
        MissingRowsError: as for `require_study`.
    """
    if found is None:
        raise MissingRowsError("its study in Optuna's tables is gone: it was deleted there")
    if found != name:
        raise MissingRowsError(
            f"its study in Optuna's tables is gone, and its number there is now that of {found!r}"
        )


def finish_trial(
    connection: sa.Connection,
    trial_id: int,
    *,
    study_id: int,
    number: int,
    state: TrialState,
    values: Sequence[float],
    intermediate: Mapping[int, float],
    finished: float,
) -> None:
    """Write how a trial ended; idempotent.

    Args:
        connection: a writing one.
        trial_id: its Optuna id.
        study_id: the Optuna id of its study.
        number: of the trial in its study.
        state: a finished one.
        values: one per metric, or none.
        intermediate: reported values by step.
        finished: seconds since the epoch.

    Raises:
        MissingRowsError: Optuna has no such trial of this study.
    """
    mine = {"of_trial": trial_id, "of_study": study_id, "of_number": number}
    ending = {"new_state": state, "ended": _naive_utc(finished)}
    changed = connection.execute(_FINISH, {**mine, **ending})
    if changed.rowcount == 0:
        if connection.execute(_IS_THERE, mine).first() is None:
            raise MissingRowsError(
                f"its trial {number} is not in Optuna's tables: somebody has deleted it there"
            )
        return
    if values:
        connection.execute(
            _INSERT_VALUES,
            [_value_row(trial_id, index, value) for index, value in enumerate(values)],
        )
    if intermediate:
        connection.execute(
            _INSERT_INTERMEDIATE,
            [_intermediate_row(trial_id, step, value) for step, value in intermediate.items()],
        )


def set_trial_attrs(
    connection: sa.Connection, trial_id: int, attrs: Mapping[str, Any], *, fresh: bool = False
) -> None:
    """Set system attributes of a trial; `fresh` means that it has none yet."""
    _set_attrs(connection, _trial_attrs, "trial_id", trial_id, attrs, fresh=fresh)


def set_study_attrs(connection: sa.Connection, study_id: int, attrs: Mapping[str, Any]) -> None:
    """Set system attributes of a study (QMC and NSGA-II keep their state there)."""
    _set_attrs(connection, _study_attrs, "study_id", study_id, attrs, fresh=False)


def study_attrs(connection: sa.Connection, study_id: int) -> dict[str, Any]:
    """Return the system attributes of a study."""
    rows = connection.execute(
        sa.select(_study_attrs.c.key, _study_attrs.c.value_json).where(
            _study_attrs.c.study_id == study_id
        )
    )
    return {key: json.loads(value) for key, value in rows}


def trial_attrs(connection: sa.Connection, study_id: int) -> dict[int, dict[str, Any]]:
    """Return the system attributes of all trials of a study, by Optuna's trial id."""
    rows = connection.execute(
        sa.select(_trial_attrs.c.trial_id, _trial_attrs.c.key, _trial_attrs.c.value_json)
        .join(_trials, _trials.c.trial_id == _trial_attrs.c.trial_id)
        .where(_trials.c.study_id == study_id)
    )
    attrs: dict[int, dict[str, Any]] = {}
    for trial_id, key, value in rows:
        attrs.setdefault(trial_id, {})[key] = json.loads(value)
    return attrs


def delete_study(connection: sa.Connection, study_id: int, name: str) -> bool:
    """Delete a study with all its trials; return whether it existed under this id and name."""
    query = sa.select(_studies.c.study_id).where(
        _studies.c.study_id == study_id, _studies.c.study_name == name
    )
    if connection.execute(query.with_for_update()).first() is None:
        return False
    trial_ids = sa.select(_trials.c.trial_id).where(_trials.c.study_id == study_id)
    for table in _OF_A_TRIAL:
        connection.execute(table.delete().where(table.c.trial_id.in_(trial_ids)))
    user_attrs = models.StudyUserAttributeModel.__table__
    for table in (_trials, _directions, _study_attrs, user_attrs, _studies):
        connection.execute(table.delete().where(table.c.study_id == study_id))
    return True


def _fresh_id(
    connection: sa.Connection, key: sa.Column[Any], *referring: sa.Column[Any]
) -> dict[str, int]:
    """Return an id for a new row that is neither in use nor referred to by other rows.

    SQLite would reuse the id of a deleted row, which rows of ours, or those that a script has left
    behind, may still refer to: the new trial would inherit another trial's parameters. PostgreSQL's
    sequences do not.
    """
    if connection.dialect.name != "sqlite":
        return {}
    highest = connection.execute(_highest(key, *referring)).one()
    return {key.name: 1 + max((n for n in highest if isinstance(n, int)), default=0)}


@functools.cache
def _highest(*columns: sa.Column[Any]) -> sa.Select[Any]:
    return sa.select(*(sa.select(sa.func.max(c)).scalar_subquery() for c in columns))


def _set_attrs(
    connection: sa.Connection,
    table: Any,
    owner: str,
    owner_id: int,
    attrs: Mapping[str, Any],
    *,
    fresh: bool,
) -> None:
    if not attrs:
        return
    if not fresh:
        connection.execute(
            table.delete().where(table.c[owner] == owner_id, table.c.key.in_(list(attrs)))
        )
    connection.execute(
        table.insert(),
        [
            {owner: owner_id, "key": key, "value_json": json.dumps(value)}
            for key, value in attrs.items()
        ],
    )


def _value_row(trial_id: int, index: int, value: float) -> dict[str, Any]:
    stored, kind = models.TrialValueModel.value_to_stored_repr(value)
    return {"trial_id": trial_id, "objective": index, "value": stored, "value_type": kind}


def _intermediate_row(trial_id: int, step: int, value: float) -> dict[str, Any]:
    model = models.TrialIntermediateValueModel
    stored, kind = model.intermediate_value_to_stored_repr(value)
    return {
        "trial_id": trial_id,
        "step": step,
        "intermediate_value": stored,
        "intermediate_value_type": kind,
    }


def _naive_utc(time_s: float) -> datetime.datetime:
    # Optuna stores naive UTC, as its model says.
    return datetime.datetime.fromtimestamp(time_s, datetime.UTC).replace(tzinfo=None)
