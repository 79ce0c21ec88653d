"""Why a study was proposed what it was: the receipt of its history, and each proposal's reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.frozen import told_values
from tuner.coordinator.learners import LEARNING
from tuner.coordinator.lessons import lesson_text
from tuner.service.gain import Results, estimate_gain
from tuner.service.nearest import nearest_trials
from tuner.service.pruning import explain_pruning, stop_document
from tuner.service.times import iso
from tuner.service.value_scale import ValueScale
from tuner.service.views import Document
from tuner.spec import StudySpec, parse_spec
from tuner.spec.history import history_json
from tuner.storage import Storage, tables

Rows = Sequence[sa.Row[Any]]

#: What a model said of a proposal, on the scale z, and as it is called in the metric's unit.
_PREDICTED = {"mean": "predicted", "cold_mean": "predicted_cold"}


def explain_study(
    storage: Storage, study: sa.Row[Any], rows: Rows, *, limit: int, gain: bool
) -> Document:
    """Return what a study's sampler knew from history, how it used it, and what it gained.

    Args:
        storage: the truth.
        study: its row.
        rows: all its trials, in number order.
        limit: so many proposals are listed; of more, the first and the last half.
        gain: whether the gain is estimated, which takes a second.
    """
    spec = parse_spec(json.loads(study.spec_json))
    lessons = _lessons(storage, study.id)
    newest = lessons[-1] if lessons else None
    receipt = _receipt(newest)
    used = _uses(rows)
    with storage.read() as connection:
        pruning = explain_pruning(connection, study, spec, rows, receipt["curves"])
    return {
        "study": spec.name,
        "sampler": spec.sampler.name,
        "history": history_json(spec.history),
        "state": _state(spec, receipt, newest),
        "summary": _summary(spec, receipt, newest),
        "problem": receipt["problem"],
        "artifact": receipt["artifact"],
        "learnt": iso(newest.created) if newest is not None else None,
        "took_s": receipt["took_s"],
        "sources": _sources(receipt),
        "artifacts": [_artifact(row, used) for row in lessons if _key(row)],
        "proposals": [_proposal(row, rows, spec) for row in _ends(rows, limit)],
        "gain": _gain(spec, rows) if gain and used else None,
        "pruning": pruning,
    }


def explain_trial(storage: Storage, study: sa.Row[Any], rows: Rows, trial: sa.Row[Any]) -> Document:
    """Return why a trial was proposed, and the historic trials that are nearest to it."""
    spec = parse_spec(json.loads(study.spec_json))
    record = json.loads(trial.proposal_json)
    insight = record.get("insight") or {}
    document = _proposal(trial, rows, spec)
    params = json.loads(trial.params_json)
    sources = {item["source"] for item in insight.get("nearest", ())}
    with storage.read() as connection:
        stop = stop_document(connection, trial)
    return {
        "study": spec.name,
        **document,
        "params": params,
        "why": _why(record, rows, spec),
        "told": record["told"],
        "pending": record["pending"],
        "seed": record["seed"],
        "try": record.get("try"),
        "retry_of": record.get("retry_of"),
        "acquisition": insight.get("acquisition"),
        "z": {key: insight.get(key) for key in _Z},
        "nearest": nearest_trials(storage, spec, params, sources) if sources else [],
        "stop": stop,
    }


_Z = ("mean", "std", "cold_mean", "cold_std", "warm_mean", "warm_std", "best")
_EMPTY: Document = {
    "artifact": None,
    "summary": {},
    "sources": [],
    "shares": {},
    "problem": "",
    "took_s": None,
    "curves": None,
}


def _lessons(storage: Storage, study_id: int) -> list[sa.Row[Any]]:
    a = tables.artifacts
    columns = (a.c.key, a.c.receipt_json, a.c.created)
    query = sa.select(*columns).where(a.c.study_id == study_id).order_by(a.c.created)
    with storage.read() as connection:
        return list(connection.execute(query))


def _receipt(row: sa.Row[Any] | None) -> Document:
    return _EMPTY if row is None else {**_EMPTY, **json.loads(row.receipt_json)}


def _key(row: sa.Row[Any]) -> str | None:
    key: str | None = json.loads(row.receipt_json)["artifact"]
    return key


def _state(spec: StudySpec, receipt: Document, newest: sa.Row[Any] | None) -> str:
    if spec.sampler.name not in LEARNING or not spec.history:
        return "unused"
    if newest is None:
        return "pending"
    return "cold" if receipt["artifact"] is None else "informed"


def _summary(spec: StudySpec, receipt: Document, newest: sa.Row[Any] | None) -> str:
    if spec.sampler.name not in LEARNING:
        return f"sampler {spec.sampler.name} takes nothing from history"
    if not spec.history:
        return "starts cold: history is none"
    if newest is None:
        return "the history was not looked at yet"
    return lesson_text(receipt["summary"], receipt["problem"])


def _sources(receipt: Document) -> list[Document]:
    """Return the receipts of the studies that were looked at, those that count most first."""
    shares = {
        (metric, item["name"]): item
        for metric, found in receipt["shares"].items()
        for item in found.get("sources", ())
    }
    sources = []
    for source in receipt["sources"]:
        share = shares.get((source["metric"], source["key"]), {})
        left_out = source["left_out"] or share.get("reason", "")
        sources.append(
            {
                **source,
                "finished": iso(source["finished"]),
                "left_out": left_out,
                "share": share.get("weight", 0.0),
                "agreement": share.get("agreement"),
            }
        )
    return sorted(sources, key=lambda source: -source["share"])


def _ends(rows: Rows, limit: int) -> Rows:
    """Return at most `limit` rows: the first and the last half."""
    if len(rows) <= limit:
        return rows
    first = limit // 2
    return [*rows[:first], *rows[len(rows) - (limit - first) :]]


def _uses(rows: Rows) -> dict[str, list[int]]:
    """Return the numbers of the trials that were proposed with each artifact."""
    used: dict[str, list[int]] = {}
    for row in rows:
        key = json.loads(row.proposal_json).get("artifact")
        if key is not None:
            used.setdefault(key, []).append(row.number)
    return used


def _artifact(row: sa.Row[Any], used: dict[str, list[int]]) -> Document:
    receipt = _receipt(row)
    with_it = used.get(receipt["artifact"], [])
    return {
        "artifact": receipt["artifact"],
        "learnt": iso(row.created),
        "proposals": len(with_it),
        "first_trial": min(with_it, default=None),
        "last_trial": max(with_it, default=None),
        "shares": {
            metric: {item["name"]: item["weight"] for item in found.get("sources", ())}
            for metric, found in receipt["shares"].items()
        },
    }


def _proposal(row: sa.Row[Any], rows: Rows, spec: StudySpec) -> Document:
    record = json.loads(row.proposal_json)
    insight = record.get("insight") or {}
    scale = _scale(record, rows, spec) if insight.get("mean") is not None else None
    said = {
        name: scale.value(insight.get(key)) if scale is not None else None
        for key, name in _PREDICTED.items()
    }
    return {
        "trial": row.number,
        "state": row.state.upper(),
        "objective": row.objective,
        "sampler": record["sampler"],
        "preparation": record.get("preparation"),
        "artifact": record.get("artifact"),
        "model": insight.get("model"),
        "trust": insight.get("trust"),
        **said,
        "predicted_low": _edge(insight, scale, -1.0),
        "predicted_high": _edge(insight, scale, 1.0),
    }


def _edge(insight: Document, scale: ValueScale | None, side: float) -> float | None:
    """Return the prediction's mean a deviation away, in the metric's unit."""
    mean, std = insight.get("mean"), insight.get("std")
    if scale is None or mean is None or std is None:
        return None
    return scale.value(mean + side * std)


def _scale(record: Document, rows: Rows, spec: StudySpec) -> ValueScale | None:
    """Return the scale that the models had when a trial was proposed; of one metric only."""
    if len(spec.metrics) > 1:
        return None
    told = record["told"]
    values = [
        row.objective
        for row in rows
        if row.told is not None and row.told <= told and row.state == "complete"
    ]
    return ValueScale(values, maximize=spec.metrics[0].goal == "maximize")


def _gain(spec: StudySpec, rows: Rows) -> Document | None:
    if len(spec.metrics) > 1:
        return None
    told = sorted(
        (row for row in rows if row.told is not None and row.state == "complete"),
        key=lambda row: row.told,
    )
    values = [told_values(row)[0] for row in told]
    results = Results(
        space=spec.space,
        maximize=spec.metrics[0].goal == "maximize",
        params=[json.loads(row.params_json) for row in told],
        values=values,
    )
    return estimate_gain(results)


_MODELS = {
    "prior": "the first choice of history: nothing was known of this study yet",
    "start": "spread over the space: too little was known for a model",
    "cold": "the largest expected improvement by this study's own results",
}


def _why(record: Document, rows: Rows, spec: StudySpec) -> str:
    """Return in a sentence why the trial was proposed."""
    reason = _chosen_by(record)
    start = _start_index(record, rows, spec)
    return reason if start is None else f"start_with[{start}]; the rest: {reason}"


def _chosen_by(record: Document) -> str:
    if record.get("retry_of") is not None:
        return f"trial {record['retry_of']} failed, and a user had it tried again"
    sampler = record["sampler"]
    if record.get("preparation") == "missed":
        return "at random: the sampler was not ready in time"
    if sampler == "random" and record.get("try"):
        return "at random: the sampler proposed only what was tried or is forbidden"
    if sampler == "listed":
        return "one of the last configurations that were left"
    insight = record.get("insight") or {}
    if insight.get("model") == "warm+cold":
        trust = insight.get("trust")
        share = f", trusted {trust:.0%}," if trust is not None else ""
        return f"the largest expected improvement by history{share} and this study's own results"
    return _MODELS.get(insight.get("model", ""), f"by sampler {sampler}")


def _start_index(record: Document, rows: Rows, spec: StudySpec) -> int | None:
    """Return which of the configurations to start with had its turn, None when none had."""
    if not spec.start_with or record.get("retry_of") is not None or "trials" not in record:
        return None
    earlier = rows[: record["trials"]]
    is_retry = [json.loads(row.proposal_json).get("retry_of") is not None for row in earlier]
    turn = len(earlier) - sum(is_retry)
    return turn if turn < len(spec.start_with) else None
