"""Rebuilds the coordinator's memory of a study from the Storage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.studies.study_run import StudyRun
from tuner.learning.lessons import load_lesson
from tuner.proposals.frozen import freeze, told_values
from tuner.proposals.pruners.marks import FIRST_RUNG
from tuner.samplers import import_sampler
from tuner.storage import Storage, optuna_rows, tables
from tuner.storage.curves import read_curves
from tuner.trials.specs import read_spec
from tuner.trials.states import TrialState
from tuner.trials.store.trials import trials_of
from tuner.trials.study import Study
from tuner.trials.trial import Trial


def load_study_run(
    storage: Storage, study: Study, on_ready: Callable[[], None] = lambda: None
) -> StudyRun:
    """Rebuild the coordinator's memory of a study from the database.

    Raises:
        MissingRowsError: Optuna's tables no longer contain the study.
        Exception: anything else that damaged rows may cause.
    """
    spec = read_spec(study.spec_json)
    import_sampler(spec.sampler.name)
    run = StudyRun(study, spec, on_ready)
    with storage.read() as connection:
        trials = trials_of(connection, study.id)
        optuna_rows.require_study(connection, study.optuna_id, run.name)
        _require_all(connection, study, trials)
        attrs = optuna_rows.trial_attrs(connection, study.optuna_id)
        wanted = run.in_memory.all_curves or any(
            trial.state is TrialState.PRUNED for trial in trials
        )
        curves = read_curves(connection, study.id) if wanted else {}
        study_attrs = optuna_rows.study_attrs(connection, study.optuna_id)
        # It is the pruner's, and must not reach the sampler.
        run.load_rung(study_attrs.pop(FIRST_RUNG, None))
        run.in_memory.load_study_attrs(study_attrs)
        lesson = load_lesson(connection, study.id) if run.learns else None
    if lesson is not None and lesson.known != run.known.get("known"):
        # It was made for fewer parameters: another one is being learned.
        run.lesson_text = lesson.text
    elif lesson is not None:
        run.take_lesson(
            lesson.artifact,
            lesson.version,
            lesson.text,
            belief=lesson.belief,
            early=lesson.early,
        )
    for trial in trials:
        params = trial.params
        run.proposed(params, is_retry=trial.proposal.get("retry_of") is not None)
        is_told = trial.told is not None and trial.state.is_ended
        frozen = freeze(
            run.proposer,
            params,
            state=trial.state if is_told else None,
            values=told_values(trial) if is_told else (),
            attrs=attrs.get(trial.optuna_id, {}),
            curve=curves.get(trial.number, {}),
        )
        run.in_memory.load_trial(trial.number, frozen)
    for _, ended in sorted((trial.told, trial) for trial in trials if trial.told is not None):
        run.ended(ended)
    run.again = _retries(study, trials)
    run.in_memory.forget(_mended(study, trials))
    return run


def _require_all(connection: sa.Connection, study: Study, trials: Sequence[Trial]) -> None:
    """Check that every trial number assigned exists, exactly once."""
    s = tables.studies
    query = sa.select(s.c.next_number).where(s.c.id == study.id)
    given = connection.execute(query).scalar_one_or_none()
    if given is not None and [trial.number for trial in trials] != list(range(given)):
        raise optuna_rows.MissingRowsError(
            f"it has given {given} trials a number, and the rows of {len(trials)} are there"
        )


def _mended(study: Study, trials: Sequence[Trial]) -> list[int]:
    """Return the trials whose failures to ignore: of other code, or to be tried again.

    Other code fails differently; and a configuration that is tried again provides its own result.
    """
    again = set(study.retries_wanted)
    return [t.number for t in trials if t.code != study.code or t.number in again]


def _retries(study: Study, trials: Sequence[Trial]) -> list[tuple[int, dict[str, Any]]]:
    """Return the failed trials to be tried again that have not been proposed again yet."""
    done = {trial.proposal.get("retry_of") for trial in trials}
    # A study that is being deleted at this moment still has its row, but no trials.
    found = {trial.number: trial for trial in trials}
    return [
        (number, found[number].params)
        for number in study.retries_wanted
        if number in found and number not in done
    ]
