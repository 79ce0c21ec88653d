"""The contents of `config.json` and `trial.json`, according to the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from optuna.distributions import distribution_to_json

from tuner.service.answers.stops import stop_document
from tuner.service.answers.times import iso
from tuner.service.answers.views import attempt_document
from tuner.space.optuna import distribution
from tuner.spec import StudySpec
from tuner.trials.attempt import Attempt
from tuner.trials.specs import read_as_stored
from tuner.trials.store.reports import curve_until
from tuner.trials.study import Study
from tuner.trials.trial import Trial
from tuner.visible import finite

#: Increases when a field of `config.json` or `trial.json` changes its meaning.
RECORD_VERSION = 1


def trial_config(study: Study, trial: Trial, spec: StudySpec, attempt: Attempt) -> dict[str, Any]:
    """Return the part of `config.json` that the server knows."""
    params = json.loads(trial.params_json)
    return {
        "version": RECORD_VERSION,
        "study": study.full_name,
        "trial": trial.number,
        "params": params,
        "distributions": {
            name: json.loads(distribution_to_json(distribution(spec.space[name])))
            for name in params
            if spec.space[name].kind != "fixed"
        },
        "metrics": [{"name": m.name, "goal": m.goal} for m in spec.metrics],
        "objective": spec.entry,
        "seed": trial.seed,
        "reproducibility": spec.trial.reproducibility,
        "proposal": json.loads(trial.proposal_json),
        "code": {"snapshot": trial.code, "git": json.loads(trial.git_json)},
        "data": {"fingerprint": study.data},
        **_image_facts(study, attempt),
        "spec": read_as_stored(study.spec_json),
    }


def _image_facts(study: Study, attempt: Attempt) -> dict[str, Any]:
    """Return the image of an attempt, and how far it is verified (`protocol.IMAGE_FACTS`)."""
    if attempt.image_json is None:
        # Assigned by an earlier release: the worker says it.
        return {"image": study.image}
    facts: dict[str, Any] = json.loads(attempt.image_json)
    # Outside of a container, the image that the spec asks for.
    return {**facts, "image": facts["image"] or study.image}


def trial_record(
    connection: sa.Connection,
    study: Study,
    trial: Trial,
    attempt: Attempt,
    attempts: Sequence[Attempt],
) -> dict[str, Any]:
    """Return the content of `trial.json` in the folder of `attempt`.

    Args:
        attempt: whose folder it is.
        attempts: all of the trial, oldest first.
    """
    is_outcome = trial.outcome_attempt == attempt.id
    source = trial if is_outcome else attempt
    return {
        "version": RECORD_VERSION,
        "study": study.full_name,
        "trial": trial.number,
        "attempt": attempt.no,
        "run_dir": attempt.run_dir,
        "is_outcome": is_outcome,
        "outcome": _outcome(trial, attempt, is_outcome=is_outcome),
        "cause": source.cause,
        "error": source.error,
        "stop": stop_document(connection, trial.optuna_id) if is_outcome else None,
        "objective": trial.objective if is_outcome else None,
        "values": json.loads(trial.values_json) if is_outcome and trial.values_json else [],
        "metrics": json.loads(trial.metrics_json) if is_outcome and trial.metrics_json else {},
        "params": json.loads(trial.params_json),
        "seed": trial.seed,
        "curve": [
            [step, finite(value), time] for step, value, time in curve_until(connection, attempt)
        ],
        "started": iso(attempt.claimed),
        "finished": iso(attempt.finished),
        "duration_s": attempt.duration_s,
        "worker": attempt.worker,
        "host": attempt.host,
        "attempts": [attempt_document(row) for row in attempts],
    }


def _outcome(trial: Trial, attempt: Attempt, *, is_outcome: bool) -> str:
    if is_outcome:
        return trial.state.name
    return str(attempt.cause or attempt.state.value).upper()
