"""The records that the proposals of a study are made again from (`tuner replay`)."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from tuner.documents.proposals import Proposals, RecordedTrial
from tuner.errors import NotFoundError
from tuner.learning.lessons import artifact_row
from tuner.proposals.artifact import split
from tuner.proposals.frozen import told_values
from tuner.protocol import encode_number
from tuner.samplers.marks import TOOK_ATTR
from tuner.storage import optuna_rows, tables
from tuner.storage.curves import read_curves
from tuner.trials.attempts import ENDED
from tuner.trials.specs import read_as_stored
from tuner.trials.trial import Trial


def proposal_page(
    connection: sa.Connection, study: sa.Row[Any], offset: int, limit: int
) -> Proposals:
    """Return spec and seed of a study, and trials with the records of their proposals."""
    t = tables.trials
    rows = connection.execute(
        sa.select(t)
        .where(t.c.study_id == study.id)
        .order_by(t.c.number)
        .offset(max(offset, 0))
        .limit(limit)
    ).all()
    curves = read_curves(connection, study.id, [row.number for row in rows]) if rows else {}
    attrs = optuna_rows.trial_attrs(connection, study.optuna_id)
    return {
        "study": f"{study.project}/{study.name}",
        "seed": study.seed,
        "spec": read_as_stored(study.spec_json),
        "total": study.next_number,
        "trials": [
            _recorded(row, curves.get(row.number, {}), attrs.get(row.optuna_id, {})) for row in rows
        ],
    }


def _recorded(row: sa.Row[Any], curve: dict[int, float], attrs: dict[str, Any]) -> RecordedTrial:
    is_told = row.told is not None and row.state in ENDED
    return {
        "trial": row.number,
        "params": json.loads(row.params_json),
        "proposal": json.loads(row.proposal_json),
        "told": row.told if is_told else None,
        "state": row.state.upper() if is_told else None,
        "cause": row.cause if is_told else None,
        "values": [encode_number(value) for value in told_values(Trial.of(row))] if is_told else [],
        "curve": [(step, encode_number(value)) for step, value in curve.items()],
        "took": attrs.get(TOOK_ATTR) if is_told else None,
    }


def read_artifact(connection: sa.Connection, study: sa.Row[Any], key: str) -> bytes:
    """Return what the study's sampler knew from history, as `Artifact.from_bytes` takes it.

    Raises:
        NotFoundError: it is not there.
    """
    a = tables.artifacts
    query = sa.select(a.c.content).where(a.c.key == artifact_row(study.id, key))
    content = connection.execute(query).scalar_one_or_none()
    head = split(bytes(content))[0] if content else b""
    if not head:
        name = f"{study.project}/{study.name}"
        raise NotFoundError(f"{name} has no artifact {key[:64]!r} of its history")
    return head
