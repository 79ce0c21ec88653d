"""What the pruner that asks history has done in a study: who was stopped, why, and was it right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from tuner.curves.runs import ranks
from tuner.documents.document import JsonObject
from tuner.proposals.history_users import HISTORY
from tuner.proposals.pruners.by_history import HistoryPruner
from tuner.proposals.pruners.marks import MARK
from tuner.proposals.pruners.wording import mark_text
from tuner.spec import StudySpec
from tuner.storage import optuna_rows, tables
from tuner.trials.attempts import ENDED

Rows = Sequence[sa.Row[Any]]


def _document(mark: Mapping[str, Any]) -> JsonObject:
    return {"text": mark_text(mark), **mark}


def explain_pruning(
    connection: sa.Connection,
    study: sa.Row[Any],
    spec: StudySpec,
    rows: Rows,
    receipt: Mapping[str, Any] | None,
) -> JsonObject | None:
    """Return what the pruner knew from history and what it did; None: none has asked history.

    Args:
        connection: to the database.
        study: its row.
        spec: of the study.
        rows: all its trials, in number order.
        receipt: of its newest lesson on curves, as `CurveReceipt` stores it; None: there is none.
    """
    marks = {
        trial_id: attrs[MARK]
        for trial_id, attrs in optuna_rows.trial_attrs(connection, study.optuna_id).items()
        if MARK in attrs
    }
    if spec.pruner.name != HISTORY and not marks:
        return None
    # A pruner that was replaced has left its marks; what it stopped stays told.
    options = spec.pruner.options if spec.pruner.name == HISTORY else {}
    pruner = HistoryPruner(**options)
    by_number = {row.number: marks[row.optuna_id] for row in rows if row.optuna_id in marks}
    stopped = [row for row in rows if row.state == "pruned" and row.number in by_number]
    audited = [row for row in rows if row.state == "complete" and row.number in by_number]
    steps = _steps(connection, study.id)
    return {
        "top": pruner.top,
        "confidence": pruner.confidence,
        "summary": _summary(receipt),
        "receipt": receipt,
        "stopped": len(stopped),
        "audited": len(audited),
        "audited_wrong": _in_top(spec, rows, audited, by_number),
        "saved": _saved(rows, stopped, by_number, steps),
        "trust": by_number[max(by_number)]["trust"] if by_number else None,
        "trials": [
            {"trial": number, **_document(mark)} for number, mark in sorted(by_number.items())
        ],
    }


def _summary(receipt: Mapping[str, Any] | None) -> str:
    return "the history was not looked at yet" if receipt is None else str(receipt["summary"])


def _in_top(
    spec: StudySpec, rows: Rows, audited: Rows, marks: Mapping[int, Mapping[str, Any]]
) -> int:
    """Return how many trials that ran on as audits ended in the best share of all that ended.

    Those that were stopped count as worse than all, as they were condemned.
    """
    ended = [row for row in rows if row.state in ("complete", "pruned")]
    sign = -1.0 if spec.metrics[0].goal == "maximize" else 1.0
    values: list[float] = [
        sign * row.objective
        if row.state == "complete" and row.objective is not None
        else float("inf")
        for row in ended
    ]
    places = ranks(np.array(values, dtype=float))
    place = {row.number: float(at) for row, at in zip(ended, places, strict=True)}
    return sum(place[row.number] < marks[row.number]["top"] for row in audited)


def _steps(connection: sa.Connection, study_id: int) -> dict[int, int]:
    """Return the last step that each trial has reported."""
    r = tables.reports
    query = (
        sa.select(r.c.number, sa.func.max(r.c.step))
        .where(r.c.study_id == study_id)
        .group_by(r.c.number)
    )
    return dict(connection.execute(query).all())


def _saved(
    rows: Rows,
    stopped: Rows,
    marks: Mapping[int, Mapping[str, Any]],
    steps: Mapping[int, int],
) -> JsonObject | None:
    """Return how many epochs were not trained, and which share of all that is: an estimate.

    What a stopped trial had before it is taken to be what it would have trained; a training that
    ends early by itself would have trained less.
    """
    ended = [row for row in rows if row.state in ENDED]
    trained = sum(steps.get(row.number, 0) for row in ended)
    saved = sum(
        max(0.0, marks[row.number]["horizon"] - steps.get(row.number, 0)) for row in stopped
    )
    if trained + saved <= 0:
        return None
    return {"epochs": saved, "trained": trained, "share": saved / (trained + saved)}
