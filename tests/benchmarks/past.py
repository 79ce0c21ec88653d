"""A database that already holds many finished trials of a study, without having run them.

The rows are those that a real run leaves, Optuna's and ours; only the files are missing, so the
attempts are marked as filed.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import optuna
import sqlalchemy as sa

from tests.benchmarks.studies import submit
from tuner.proposals.proposing import proposal_seed
from tuner.service.service import Service
from tuner.settings import Settings
from tuner.space import Parameter, SearchSpace
from tuner.space.optuna import distribution, from_optuna, to_optuna
from tuner.spec import StudySpec
from tuner.storage import Storage, open_storage, optuna_rows, tables
from tuner.trials.store.attempts import run_dir

REPORTS = 3
#: Trials that are written with one commit.
CHUNK = 500
_DAY_S = 86_400.0
_TABLES = (tables.trials, tables.attempts, tables.reports, tables.events)


@dataclass(frozen=True, kw_only=True)
class PastTrial:
    """A trial that nobody ran."""

    number: int
    params: dict[str, Any]
    loss: float
    curve: dict[int, float]
    began: float
    finished: float


def fill_database(settings: Settings, spec: StudySpec, count: int, *, trial_s: float = 60.0) -> str:
    """Make the study with `count` finished trials of `trial_s` seconds each; return its name."""
    storage = open_storage(settings.database_url, create=True)
    try:
        name = submit(Service(storage, settings), spec)
        with storage.read() as connection:
            study = connection.execute(sa.select(tables.studies)).one()
        for start in range(0, count, CHUNK):
            numbers = range(start, min(start + CHUNK, count))
            trials = [_make(spec.space, study.seed, number, trial_s) for number in numbers]
            _insert(storage, study, spec.space, trials)
    finally:
        storage.close()
    return name


def _make(space: SearchSpace, seed: int, number: int, trial_s: float) -> PastTrial:
    params = _random_params(space, proposal_seed(seed, number))
    loss = abs(params["train.learning_rate"] - 1e-3) + 0.01 * params["model.dropout"]
    finished = time.time() - _DAY_S + number * 0.1
    return PastTrial(
        number=number,
        params=params,
        loss=loss,
        curve={step: loss * (1 + REPORTS - step) for step in range(1, REPORTS + 1)},
        began=finished - trial_s,
        finished=finished,
    )


def _random_params(space: SearchSpace, seed: int) -> dict[str, Any]:
    sampler = optuna.samplers.RandomSampler(seed=seed)

    def choose(parameter: Parameter) -> Any:
        dist = distribution(parameter)
        value = sampler.sample_independent(None, None, parameter.name, dist)  # type: ignore[arg-type]
        return from_optuna(parameter, value)

    return space.walk(choose)


def _insert(
    storage: Storage, study: sa.Row[Any], space: SearchSpace, trials: list[PastTrial]
) -> None:
    rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in _TABLES}
    s = tables.studies
    told = trials[-1].number + 1
    with storage.begin() as connection:
        for trial in trials:
            optuna_id = _tell_optuna(connection, study, space, trial)
            for table, values in _our_rows(study, trial, optuna_id):
                rows[table.name].append(values)
        for table in _TABLES:
            connection.execute(table.insert(), rows[table.name])
        connection.execute(s.update().where(s.c.id == study.id).values(next_number=told, told=told))


def _tell_optuna(
    connection: sa.Connection, study: sa.Row[Any], space: SearchSpace, trial: PastTrial
) -> int:
    params = {}
    for name, value in trial.params.items():
        dist = distribution(space[name])
        params[name] = (float(dist.to_internal_repr(to_optuna(space[name], value))), dist)
    optuna_id = optuna_rows.insert_trial(
        connection,
        study.optuna_id,
        trial.number,
        params=params,
        system_attrs={},
        started=trial.began,
    )
    optuna_rows.finish_trial(
        connection,
        optuna_id,
        study_id=study.optuna_id,
        number=trial.number,
        state=optuna.trial.TrialState.COMPLETE,
        values=[trial.loss],
        intermediate=trial.curve,
        finished=trial.finished,
    )
    return optuna_id


def _our_rows(
    study: sa.Row[Any], trial: PastTrial, optuna_id: int
) -> Iterator[tuple[sa.Table, dict[str, Any]]]:
    at = {"study_id": study.id, "number": trial.number}
    attempt = f"s{study.id}-t{trial.number}-a1"
    times = {
        "created": trial.began,
        "finished": trial.finished,
        "duration_s": trial.finished - trial.began,
    }
    proposal = {"sampler": "random", "seed": 1, "told": trial.number, "pending": []}
    yield (
        tables.trials,
        {
            **at,
            **times,
            "started": trial.began,
            "state": "complete",
            "params_json": json.dumps(trial.params),
            "seed": trial.number,
            "proposal_json": json.dumps(proposal),
            "optuna_id": optuna_id,
            "objective": trial.loss,
            "values_json": json.dumps([trial.loss]),
            "metrics_json": json.dumps({"loss": trial.loss}),
            "told": trial.number + 1,
            "outcome_attempt": attempt,
        },
    )
    yield (
        tables.attempts,
        {
            **at,
            **times,
            "id": attempt,
            "no": 1,
            "claimed": trial.began,
            "state": "done",
            "token": secrets.token_hex(16),
            "worker": "yesterday-0",
            "host": "yesterday",
            "run_dir": run_dir(study.project, study.name, trial.number, 1, trial.began),
            "exit_status": 0,
            "filed": True,
        },
    )
    for step, value in trial.curve.items():
        yield tables.reports, {**at, "no": 1, "step": step, "value": value, "time": trial.finished}
    text = f"trial {trial.number} ended COMPLETE: {trial.loss:.6g}"
    event = {"attempt": attempt, "time": trial.finished, "kind": "trial-complete", "text": text}
    yield tables.events, {**at, **event}
