"""History's share in each proposal of a study, and how much the models trusted it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from tuner.documents.document import JsonObject
from tuner.documents.study_folder.insights import HistorySay
from tuner.service.explanations.gain import RELIED_ON
from tuner.service.explanations.reasons import history_share
from tuner.service.insights.sample import MOST
from tuner.spec import StudySpec
from tuner.storage import tables


def history_over_trials(
    connection: sa.Connection, study_id: int, spec: StudySpec
) -> list[HistorySay]:
    """Return history's share in the newest proposals; empty if it never had one.

    Returns:
        For each trial, in number order: `share`, the share of history, 0 to 1; `trust`, the weight
        of the model with history compared with the study's own, null if only one was used;
        `proposed_by_history`, whether it chose the trial.
    """
    t = tables.trials
    query = (
        sa.select(t.c.number, t.c.proposal_json)
        .where(t.c.study_id == study_id)
        .order_by(t.c.number.desc())
        .limit(MOST)
    )
    rows = list(reversed(connection.execute(query).all()))
    records = [json.loads(row.proposal_json) for row in rows]
    if not any((record.get("insight") or {}).get("model") for record in records):
        return []
    shares = _shares(records, spec)
    found: list[HistorySay] = [
        {
            "trial": row.number,
            "share": share,
            "trust": (record.get("insight") or {}).get("trust"),
            "proposed_by_history": share >= RELIED_ON,
        }
        for row, record, share in zip(rows, records, shares, strict=True)
    ]
    is_any = any(item["share"] > 0.0 or item["trust"] is not None for item in found)
    return found if is_any else []


def _shares(records: Sequence[JsonObject], spec: StudySpec) -> list[float]:
    """Return history's share in each proposal.

    Finding out whether a trial came from `start_with` requires all trials before it, so it is done
    only for trials that may.
    """
    retries = sum(record.get("retry_of") is not None for record in records)
    latest = len(spec.start_with) + retries
    later = spec.model_copy(update={"start_with": ()})
    return [
        history_share(record, records, spec if record.get("trials", 0) <= latest else later)
        for record in records
    ]
