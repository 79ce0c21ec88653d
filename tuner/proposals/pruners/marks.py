"""What pruners store in Optuna's tables: keys, readable without the slow import of Optuna."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

#: On a trial: that the pruner `history` condemned it; see `HistoryPruner`.
MARK = "tuner:condemned"
#: On a trial: that `asha` or `hyperband` condemned it; see `HalvingPruner`.
HALVED = "tuner:halved"
#: On a trial: that `median` or `patient` stopped it; see `plain.py`.
STOPPED = "tuner:stopped"
#: On a study: where these judge first, as JSON of `FirstRung`.
FIRST_RUNG = "tuner:first_rung"

_trials = sa.table("trials", sa.column("trial_id"), sa.column("number"), sa.column("study_id"))
_of_trial = sa.table(
    "trial_system_attributes",
    sa.column("trial_id"),
    sa.column("key"),
    sa.column("value_json"),
)
_of_study = sa.table(
    "study_system_attributes", sa.column("study_id"), sa.column("key"), sa.column("value_json")
)
# Built once: every result needs it, and building a statement costs more than executing it.
_LEFT = sa.select(_of_trial.c.key, _of_trial.c.value_json).where(
    _of_trial.c.trial_id == sa.bindparam("of_trial"),
    # Words of the statement: with parameters its text would be rendered again for each execution.
    _of_trial.c.key.in_([sa.literal_column(f"'{key}'") for key in (MARK, HALVED, STOPPED)]),
)


def read_marks(connection: sa.Connection, optuna_study: int) -> dict[int, dict[str, Any]]:
    """Return the marks of condemned trials by trial number.

    Args:
        optuna_study: the study's id in Optuna's tables.
    """
    query = (
        sa.select(_trials.c.number, _of_trial.c.value_json)
        .join_from(_of_trial, _trials, _trials.c.trial_id == _of_trial.c.trial_id)
        .where(_trials.c.study_id == optuna_study, _of_trial.c.key.in_([MARK, HALVED]))
        .order_by(_trials.c.number)
    )
    return {number: json.loads(value) for number, value in connection.execute(query)}


def read_mark(connection: sa.Connection, optuna_trial: int) -> tuple[str, dict[str, Any]] | None:
    """Return the key and the mark that a pruner left on a trial; None if there is none.

    Args:
        optuna_trial: the trial's id in Optuna's tables.
    """
    # If the study's pruner was changed there may be two: the newer kind of mark takes precedence.
    found = dict(connection.execute(_LEFT, {"of_trial": optuna_trial}).all())
    for key in (STOPPED, MARK, HALVED):
        if key in found:
            return key, json.loads(found[key])
    return None


def read_first_rung(connection: sa.Connection, optuna_study: int) -> dict[str, Any] | None:
    """Return where a study's pruner judges first; None if that was not stored."""
    query = sa.select(_of_study.c.value_json).where(
        _of_study.c.study_id == optuna_study, _of_study.c.key == FIRST_RUNG
    )
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else dict(json.loads(found))
