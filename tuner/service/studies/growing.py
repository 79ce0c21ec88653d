"""Stores what a trial has found in its hypermodel: the study's search space grows by it.

It is stored in one transaction that locks the study, or not at all; repeating it changes nothing.
The revision increases, so that the coordinator, which may have proposed meanwhile without it,
reloads the study. The records of the proposals say what was added when, so that they can be made
again (`tuner.proposals.replaying`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import sqlalchemy as sa
from optuna.distributions import BaseDistribution

from tuner.errors import FencedError, SpecError
from tuner.protocol import MAX_ERROR_CHARS, Found, ProtocolError
from tuner.space import SearchSpace, Value
from tuner.space.optuna import distribution, to_optuna
from tuner.spec import Growth, StudySpec, grow
from tuner.storage import Storage, optuna_rows
from tuner.trials.attempt import Attempt
from tuner.trials.ending.attempts import Ending, end_attempt
from tuner.trials.faults import study_step
from tuner.trials.specs import read_spec, write_spec
from tuner.trials.states import AttemptState, TrialState
from tuner.trials.store.attempts import lock_attempt
from tuner.trials.store.events import record_event
from tuner.trials.store.studies import hold_study, set_study
from tuner.trials.store.trials import lock_trial, set_trial
from tuner.trials.study import Study

#: Maximum number of parameters that an event names.
_NAMED = 20


class Growing:
    """Stores what trials find. Thread-safe."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def take(self, attempt_id: str, token: str, found: list[Found], *, ends: bool) -> str:
        """Store what an attempt has found.

        Args:
            found: what it reports, checked by `check_found`.
            ends: end the attempt if it contradicts the study.

        Returns:
            Why the attempt is in error; empty: it is not, and what it found is stored.

        Raises:
            NotFoundError: there is no such attempt.
            FencedError: the token is not the attempt's, or the attempt has ended.
            ProtocolError: the study has no hypermodel.
            StudyFaultError: the study has damaged rows.
        """
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            # Locked for a change of its spec; before its attempts and trials, as everywhere.
            study = hold_study(connection, attempt_id, to_change=True)
            attempt = lock_attempt(connection, attempt_id, token)
            if study is None or not attempt.state.is_held:
                raise FencedError(f"attempt {attempt_id} has ended ({attempt.state.value})")
            passing = (FencedError, ProtocolError)
            with study_step(study.id, "taking a report", passing=passing):
                try:
                    _take(connection, study, attempt, found, now)
                except SpecError as exc:
                    error = str(exc)[:MAX_ERROR_CHARS]
                else:
                    return ""
                if ends:
                    ending = Ending(
                        state=TrialState.FAIL,
                        cause="error",
                        error=error,
                        attempt_state=AttemptState.FAILED,
                    )
                    end_attempt(connection, study, attempt, ending, now, retries=0)
                return error


def _take(
    connection: sa.Connection,
    study: Study,
    attempt: Attempt,
    found: list[Found],
    now: float,
) -> None:
    spec = read_spec(study.spec_json)
    if not spec.finds_space:
        raise ProtocolError("found: the search space of the study is given: it has no hypermodel")
    trial = lock_trial(connection, attempt.study_id, attempt.number)
    if trial.state.is_ended:
        raise FencedError(f"trial {attempt.number} already has an outcome")
    params, record = trial.params, trial.proposal
    names = record.get("names", {}).get(str(attempt.no), {})
    growth = grow(spec, found, since=study.next_number, renamed=names)
    values = _new_values(growth.spec.space, params, growth.values)
    if not growth.fresh and growth.spec.found == spec.found and not values:
        return
    revision = study.revision + 1
    set_study(connection, study.id, revision=revision, spec_json=write_spec(growth.spec))
    record["late"] = {**record.get("late", {}), **dict.fromkeys(values, revision)}
    if growth.renamed:
        # Later reports of this attempt use its own names.
        record["names"] = {**record.get("names", {}), str(attempt.no): growth.renamed}
    texts = {
        # In the order of the space, as a sampler walks it.
        "params_json": json.dumps(_ordered(growth.spec.space, {**params, **values})),
        "proposal_json": json.dumps(record),
    }
    set_trial(connection, trial.study_id, trial.number, **texts)
    optuna_rows.add_params(connection, trial.optuna_id, _encoded(growth.spec, values))
    if growth.fresh:
        record_event(
            connection,
            now,
            "space-found",
            _said(trial.number, growth),
            study_id=study.id,
            number=trial.number,
            attempt=attempt.id,
        )


def _new_values(
    space: SearchSpace, params: Mapping[str, Value], found: Mapping[str, Value]
) -> dict[str, Value]:
    """Return the values that the trial did not have, for parameters that are active in it."""
    values = dict(params)
    for parameter in space.parameters:
        name = parameter.name
        if name in found and name not in values and space.is_active(parameter, values):
            values[name] = found[name]
    return {name: value for name, value in values.items() if name not in params}


def _ordered(space: SearchSpace, params: Mapping[str, Value]) -> dict[str, Value]:
    return {name: params[name] for name in space.names if name in params}


def _encoded(
    spec: StudySpec, values: Mapping[str, Value]
) -> dict[str, tuple[float, BaseDistribution]]:
    encoded: dict[str, tuple[float, BaseDistribution]] = {}
    for name, value in values.items():
        parameter = spec.space[name]
        if parameter.kind != "fixed":
            dist = distribution(parameter)
            encoded[name] = (float(dist.to_internal_repr(to_optuna(parameter, value))), dist)
    return encoded


def _said(number: int, growth: Growth) -> str:
    names = growth.fresh[:_NAMED]
    more = len(growth.fresh) - len(names)
    count = "1 parameter" if len(growth.fresh) == 1 else f"{len(growth.fresh)} parameters"
    text = f"trial {number} found {count} of the hypermodel: {', '.join(names)}"
    text += f" and {more} more" if more > 0 else ""
    if growth.unfit:
        text += f"; used, but not allowed by their own definitions: {'; '.join(growth.unfit)}"
    return text
