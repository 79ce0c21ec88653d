"""The records that let `tuner replay` make a study's proposals again."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.documents.proposals import Proposals, RecordedTrial
from tuner.errors import NotFoundError
from tuner.learning.lessons import artifact_row
from tuner.proposals.artifact import split
from tuner.protocol import encode_number
from tuner.samplers.marks import TOOK_ATTR
from tuner.service.answers.trial_words import OUTCOME_WORDS
from tuner.storage import optuna_rows, tables
from tuner.storage.curves import read_curves
from tuner.trials.specs import read_as_stored
from tuner.trials.store.trials import trials_of
from tuner.trials.study import Study
from tuner.trials.trial import Trial


def proposal_page(connection: sa.Connection, study: Study, offset: int, limit: int) -> Proposals:
    """Return a study's spec and seed, and trials with the records of their proposals."""
    trials = trials_of(connection, study.id, limit=limit, offset=offset)
    curves = read_curves(connection, study.id, [one.number for one in trials]) if trials else {}
    attrs = optuna_rows.trial_attrs(connection, study.optuna_id)
    return {
        "study": study.full_name,
        "seed": study.seed,
        "spec": read_as_stored(study.spec_json),
        "total": study.next_number,
        "trials": [
            _recorded(one, curves.get(one.number, {}), attrs.get(one.optuna_id, {}))
            for one in trials
        ],
    }


def _recorded(trial: Trial, curve: dict[int, float], attrs: dict[str, Any]) -> RecordedTrial:
    outcome = None if trial.told is None else OUTCOME_WORDS.get(trial.state)
    values = [] if outcome in (None, "FAIL") else trial.values
    return {
        "trial": trial.number,
        "params": trial.params,
        "proposal": trial.proposal,
        "told": None if outcome is None else trial.told,
        "state": outcome,
        "cause": None if outcome is None else trial.cause,
        "values": [encode_number(value) for value in values],
        "curve": [(step, encode_number(value)) for step, value in curve.items()],
        "took": None if outcome is None else attrs.get(TOOK_ATTR),
    }


def read_artifact(connection: sa.Connection, study: Study, key: str) -> bytes:
    """Return what the study's sampler knew from history, in the form for `Artifact.from_bytes`.

    Raises:
        NotFoundError: there is no such artifact.
    """
    a = tables.artifacts
    query = sa.select(a.c.content).where(a.c.key == artifact_row(study.id, key))
    content = connection.execute(query).scalar_one_or_none()
    head = split(bytes(content))[0] if content else b""
    if not head:
        raise NotFoundError(f"{study.full_name} has no artifact {key[:64]!r} of its history")
    return head
