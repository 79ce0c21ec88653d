"""Tells Optuna the results of a study's trials, each exactly once."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.coordinator.leadership import Leadership
from tuner.coordinator.studies.study_run import StudyRun
from tuner.proposals.durations import read_durations
from tuner.proposals.frozen import STATES, told_values
from tuner.registry import SAMPLERS, Trait
from tuner.samplers.marks import told_attrs
from tuner.storage import Storage, optuna_rows
from tuner.storage.curves import read_curves
from tuner.trials.store.studies import count_told
from tuner.trials.store.trials import set_trial, untold_trials
from tuner.trials.trial import Trial

#: Maximum number of results told at a time, so that other studies get their turn.
BATCH = 500


def collect(storage: Storage, leadership: Leadership, run: StudyRun) -> int:
    """Tell the ended trials not told yet, at most `BATCH`; return their number.

    The database comes first, in one transaction; the in-memory study follows. A crash in between
    loses only the in-memory study, which is rebuilt from the database.

    Raises:
        MissingRowsError: Optuna's tables no longer contain the study, or a trial.
    """
    with storage.begin("collect") as connection:
        leadership.require(connection)
        trials = untold_trials(connection, run.study.id, most=BATCH)
        if not trials:
            return 0
        curves = read_curves(connection, run.study.id, [trial.number for trial in trials])
        study = count_told(connection, run.study.id, len(trials))
        if study is None:
            return 0  # it was deleted just now
        optuna_rows.require_name(study.optuna_name, run.name)
        durations = {}
        if SAMPLERS.has(run.spec.sampler.name, Trait.ASKS_DURATIONS):
            durations = read_durations(connection, run.study.id, trials)
        for order, trial in enumerate(trials, start=study.told - len(trials) + 1):
            attrs = told_attrs(trial.cause, durations.get(trial.number))
            _write(connection, study.optuna_id, trial, order, curves.get(trial.number, {}), attrs)
    for trial in trials:
        run.in_memory.tell(
            trial.number,
            STATES[trial.state],
            told_values(trial),
            curves.get(trial.number, {}),
            cause=trial.cause,
            took=durations.get(trial.number),
        )
        run.ended(trial)
    return len(trials)


def _write(
    connection: sa.Connection,
    optuna_study: int,
    trial: Trial,
    order: int,
    curve: dict[int, float],
    attrs: dict[str, Any],
) -> None:
    if trial.finished is None:
        raise ValueError(f"trial {trial.number} has ended, and nobody knows when")
    optuna_rows.finish_trial(
        connection,
        trial.optuna_id,
        study_id=optuna_study,
        number=trial.number,
        state=STATES[trial.state],
        values=told_values(trial),
        intermediate=curve,
        finished=trial.finished,
    )
    optuna_rows.set_trial_attrs(connection, trial.optuna_id, attrs)
    set_trial(connection, trial.study_id, trial.number, told=order)
