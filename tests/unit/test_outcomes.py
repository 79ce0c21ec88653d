"""A trial has one outcome: the first that it is given."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tuner.storage import Storage, open_storage, tables
from tuner.trials.attempt import Attempt
from tuner.trials.ending.outcomes import set_outcome
from tuner.trials.states import AttemptState, TrialState
from tuner.trials.store.attempts import insert_attempt
from tuner.trials.store.trials import Outcome, lock_trial
from tuner.trials.study import Study
from tuner.trials.trial import Trial

NOW = 1_800_000_000.0
COMPLETE = Outcome(
    state=TrialState.COMPLETE,
    values=[0.5],
    metrics={"loss": 2.0},
    counted=True,
    attempt="s1-t0-a1",
    duration_s=3.0,
)
DROPPED = Outcome(state=TrialState.FAIL, cause="cancelled", error="dropped", counted=False)


@pytest.fixture
def storage(sqlite_url: str) -> Iterator[Storage]:
    storage = open_storage(sqlite_url, create=True)
    names = {"project": "p", "name": "s", "identity": "i"}
    study = {**names, "id": 1, "state": "running", "optuna_id": 1, "spec_json": "{}", "seed": 1}
    trial = {"study_id": 1, "number": 0, "state": "running", "params_json": "{}", "seed": 1}
    with storage.begin() as connection:
        connection.execute(tables.studies.insert().values(**study, device="cpu", created=NOW))
        connection.execute(
            tables.trials.insert().values(
                **trial, proposal_json="{}", optuna_id=1, created=NOW, started=NOW
            )
        )
        made = Study.of(connection.execute(sa.select(tables.studies)).one())
        for no in (1, 2, 3):
            insert_attempt(connection, made, 0, no, NOW)
        a = tables.attempts
        leased = a.update().where(a.c.no == 2).values(state=AttemptState.LEASED.value)
        connection.execute(leased)
    yield storage
    storage.close()


def give(storage: Storage, outcome: Outcome, told: str | None = None) -> bool:
    with storage.begin() as connection:
        return set_outcome(connection, 1, 0, outcome, NOW + 10.0, told=told) is not None


def trial_of(storage: Storage) -> Trial:
    with storage.begin() as connection:
        return lock_trial(connection, 1, 0)


def events(storage: Storage) -> list[tuple[str, str]]:
    e = tables.events
    with storage.read() as connection:
        return [tuple(row) for row in connection.execute(sa.select(e.c.kind, e.c.text))]


def test_an_outcome_says_everything_and_calls_off_what_may_still_run(storage: Storage) -> None:
    assert give(storage, COMPLETE)
    trial = trial_of(storage)
    with storage.read() as connection:
        rows = connection.execute(sa.select(tables.attempts).order_by(tables.attempts.c.no))
        states = [Attempt.of(row).state for row in rows]

    assert (trial.state, trial.objective, trial.values) == (TrialState.COMPLETE, 0.5, [0.5])
    assert (trial.metrics, trial.duration_s, trial.finished) == ({"loss": 2.0}, 3.0, NOW + 10.0)
    assert (trial.outcome_attempt, trial.counted) == ("s1-t0-a1", True)
    assert states == [AttemptState.REVOKED, AttemptState.CANCELLED, AttemptState.REVOKED]
    assert events(storage) == [("trial-complete", "trial 0 ended COMPLETE: 0.5")]


@pytest.mark.parametrize(("first", "second"), [(COMPLETE, DROPPED), (DROPPED, COMPLETE)])
def test_a_trial_that_has_an_outcome_keeps_it(
    storage: Storage, first: Outcome, second: Outcome
) -> None:
    assert give(storage, first)
    before = trial_of(storage), events(storage)

    assert not give(storage, second)
    assert not give(storage, dataclasses.replace(first, error="again"))
    assert (trial_of(storage), events(storage)) == before


def test_a_trial_that_never_ran_to_an_end_has_no_values_and_may_say_nothing(
    storage: Storage,
) -> None:
    assert give(storage, DROPPED, told="")
    trial = trial_of(storage)

    assert (trial.values_json, trial.metrics_json, trial.objective) == (None, None, None)
    assert (trial.cause, trial.error, trial.counted) == ("cancelled", "dropped", False)
    assert (trial.outcome_attempt, trial.duration_s) == (None, None)
    assert events(storage) == []
