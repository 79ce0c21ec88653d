"""The study that is benchmarked, and a database that already holds many of its trials."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa

from tuner.coordinator.attempts import run_dir
from tuner.coordinator.proposing import proposal_seed
from tuner.service.service import Service
from tuner.settings import Settings
from tuner.snapshot import make_snapshot
from tuner.space import Parameter, SearchSpace
from tuner.space.optuna import distribution, from_optuna, to_optuna
from tuner.spec import StudySpec, parse_spec
from tuner.storage import Storage, open_storage, optuna_rows, tables

OBJECTIVES = Path(__file__).parent / "objectives"
REPORTS = 3
#: Rows that are written with one commit.
CHUNK = 500
_TRIAL_S = 60.0


def make_spec(
    name: str, objective: str, *, trials: int, sampler: str = "tpe", pruner: str = "none"
) -> StudySpec:
    """Return a study of six parameters, one of them conditional: the space of a small CNN."""
    return parse_spec(
        {
            "project": "bench",
            "study": name,
            "objective": f"noop:{objective}",
            "metric": {"name": "loss", "goal": "minimize"},
            "search_space": {
                "train.learning_rate": {"type": "float", "low": 1e-5, "high": 1e-1, "log": True},
                "train.batch_size": {"type": "ordinal", "values": [16, 32, 64, 128]},
                "train.optimizer": {"type": "categorical", "values": ["adam", "sgd"]},
                "train.momentum": {
                    "type": "float",
                    "low": 0.0,
                    "high": 0.99,
                    "when": {"train.optimizer": ["sgd"]},
                },
                "model.layers": {"type": "int", "low": 1, "high": 4},
                "model.dropout": {"type": "float", "low": 0.0, "high": 0.6},
            },
            "sampler": {"name": sampler, "seed": 7},
            "pruner": {"name": pruner},
            "budget": {"trials": trials},
        }
    )


def submit(service: Any, spec: StudySpec) -> str:
    """Submit with the snapshot of the objectives, as `tuner submit` does; return the study."""
    snapshot = make_snapshot(OBJECTIVES)
    service.put_code(snapshot.sha256, snapshot.data)
    service.submit(spec.to_json(), code=snapshot.sha256)
    return spec.name


def fill_database(settings: Settings, spec: StudySpec, count: int) -> str:
    """Make the study with `count` finished trials, as if workers had run them yesterday.

    The rows are those that a real run leaves: Optuna's and ours, with attempts, reports and events;
    only the files are left out, so the attempts are marked as filed.
    """
    storage = open_storage(settings.database_url, create=True)
    try:
        study = submit(Service(storage, settings), spec)
        with storage.read() as connection:
            row = connection.execute(sa.select(tables.studies)).one()
        for start in range(0, count, CHUNK):
            _fill(storage, row, spec.space, range(start, min(start + CHUNK, count)))
    finally:
        storage.close()
    return study


def _fill(storage: Storage, study: sa.Row[Any], space: SearchSpace, numbers: range) -> None:
    rows: dict[sa.Table, list[dict[str, Any]]] = {
        table: []
        for table in (tables.trials, tables.attempts, tables.reports, tables.events)
    }
    s = tables.studies
    with storage.begin() as connection:
        for number in numbers:
            for table, values in _trial(connection, study, space, number):
                rows[table].append(values)
        for table, batch in rows.items():
            connection.execute(table.insert(), batch)
        done = numbers.stop
        connection.execute(
            s.update().where(s.c.id == study.id).values(next_number=done, told=done)
        )


def _trial(
    connection: sa.Connection, study: sa.Row[Any], space: SearchSpace, number: int
) -> Iterator[tuple[sa.Table, dict[str, Any]]]:
    finished = time.time() - 86_400 + number * 0.1
    began = finished - _TRIAL_S
    params = random_params(space, seed=proposal_seed(study.seed, number))
    loss = abs(float(params["train.learning_rate"]) - 1e-3) + 0.01 * params["model.dropout"]
    curve = {step: loss * (1 + 1 / step) for step in range(1, REPORTS + 1)}
    optuna_id = _tell_optuna(connection, study, space, number, params, loss, curve, began)
    at = {"study_id": study.id, "number": number}
    attempt = f"s{study.id}-t{number}-a1"
    proposal = {"sampler": "tpe", "seed": 1, "told": number, "pending": [], "retry_of": None}
    yield tables.trials, {
        **at,
        "state": "complete",
        "params_json": json.dumps(params),
        "seed": number,
        "proposal_json": json.dumps(proposal),
        "optuna_id": optuna_id,
        "objective": loss,
        "values_json": json.dumps([loss]),
        "metrics_json": json.dumps({"loss": loss}),
        "told": number + 1,
        "outcome_attempt": attempt,
        "created": began,
        "started": began,
        "finished": finished,
        "duration_s": _TRIAL_S,
    }
    yield tables.attempts, {
        **at,
        "id": attempt,
        "no": 1,
        "state": "done",
        "token": secrets.token_hex(16),
        "worker": "yesterday-0",
        "host": "yesterday",
        "run_dir": run_dir(study.project, study.name, number, 1, began),
        "created": began,
        "claimed": began,
        "finished": finished,
        "duration_s": _TRIAL_S,
        "exit_status": 0,
        "filed": True,
    }
    for step, value in curve.items():
        yield tables.reports, {**at, "no": 1, "step": step, "value": value, "time": finished}
    text = f"trial {number} ended COMPLETE: {loss:.6g}"
    event = {"attempt": attempt, "time": finished, "kind": "trial-complete", "text": text}
    yield tables.events, {**at, **event}


def _tell_optuna(
    connection: sa.Connection,
    study: sa.Row[Any],
    space: SearchSpace,
    number: int,
    params: dict[str, Any],
    loss: float,
    curve: dict[int, float],
    began: float,
) -> int:
    encoded = {}
    for name, value in params.items():
        dist = distribution(space[name])
        encoded[name] = (float(dist.to_internal_repr(to_optuna(space[name], value))), dist)
    optuna_id = optuna_rows.insert_trial(
        connection, study.optuna_id, number, params=encoded, system_attrs={}, started=began
    )
    optuna_rows.finish_trial(
        connection,
        optuna_id,
        state=optuna.trial.TrialState.COMPLETE,
        values=[loss],
        intermediate=curve,
        finished=began + _TRIAL_S,
    )
    return optuna_id


def random_params(space: SearchSpace, *, seed: int) -> dict[str, Any]:
    """Return a random configuration."""
    sampler = optuna.samplers.RandomSampler(seed=seed)

    def choose(parameter: Parameter) -> Any:
        dist = distribution(parameter)
        value = sampler.sample_independent(None, None, parameter.name, dist)  # type: ignore[arg-type]
        return from_optuna(parameter, value)

    return space.walk(choose)
