"""The copies of a trial's data in Optuna's tables, and writing there what they lack."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.errors import TunerError
from tuner.proposals.frozen import STATES, told_values
from tuner.proposals.proposing import Proposer
from tuner.samplers.marks import told_attrs
from tuner.space.optuna import from_optuna
from tuner.spec import StudySpec
from tuner.storage import optuna_check, optuna_rows, tables
from tuner.storage.curves import read_curves
from tuner.trials.study import Study
from tuner.trials.trial import Trial

_t = tables.trials


def stored_params(
    connection: sa.Connection,
    trial_id: Any,
    study: Study,
    number: int,
    spec: StudySpec | None,
) -> dict[str, Any]:
    """Return the parameters of a trial as stored in Optuna's tables; empty if they are missing.

    For a constant, the value is that of the spec.
    """
    if spec is None or not optuna_check.has_trial(connection, trial_id, study.optuna_id, number):
        return {}
    params: dict[str, Any] = {p.name: p.value for p in spec.space.parameters if p.kind == "fixed"}
    try:
        for name, (value, dist) in optuna_check.params_of(connection, trial_id).items():
            params[name] = from_optuna(spec.space[name], dist.to_external_repr(value))
    except (TypeError, ValueError, KeyError, IndexError, TunerError):
        return {}
    return params


def stored_values(
    connection: sa.Connection, trial_id: Any, study: Study, number: int, count: int | None
) -> list[float] | None:
    """Return the values told for a trial; None if they are not in Optuna's tables."""
    if not optuna_check.has_trial(connection, trial_id, study.optuna_id, number):
        return None
    values = optuna_check.values_of(connection, trial_id)
    return values if values and count in (None, len(values)) else None


def write_trial(
    connection: sa.Connection, study: Study, spec: StudySpec, number: int, optuna_study: int
) -> None:
    """Enter a trial of ours into Optuna's tables, as it was proposed and as it ended."""
    at = sa.and_(_t.c.study_id == study.id, _t.c.number == number)
    trial = Trial.of(connection.execute(sa.select(_t).where(at)).one())
    proposer = Proposer(spec.space, spec.sampler.name, study.seed % 2**32)
    wrote = _wrote(trial)
    optuna_id = optuna_rows.insert_trial(
        connection,
        optuna_study,
        number,
        params=proposer.encode(trial.params),
        system_attrs=wrote.get("trial", {}),
        started=trial.created,
    )
    optuna_rows.set_study_attrs(connection, optuna_study, wrote.get("study", {}))
    connection.execute(_t.update().where(at).values(optuna_id=optuna_id))
    if trial.told is None or not trial.state.is_ended:
        return
    curves = read_curves(connection, study.id, [number])
    optuna_rows.finish_trial(
        connection,
        optuna_id,
        study_id=optuna_study,
        number=number,
        state=STATES[trial.state],
        values=told_values(trial),
        intermediate=curves.get(number, {}),
        finished=trial.created if trial.finished is None else trial.finished,
    )
    optuna_rows.set_trial_attrs(connection, optuna_id, told_attrs(trial.cause))


def _wrote(trial: Trial) -> dict[str, dict[str, Any]]:
    """Return the attributes that the sampler wrote with a proposal, by study and trial."""
    wrote = trial.proposal.get("wrote") or {}
    return {key: value for key, value in wrote.items() if isinstance(value, dict)}
