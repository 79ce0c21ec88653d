"""Why a study was proposed what it was: the receipt of its history, and each proposal's reason."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Literal

import sqlalchemy as sa

from tuner.documents.document import JsonObject
from tuner.documents.explanation import (
    ArtifactUse,
    Expectation,
    ExplainedProposal,
    Explanation,
    Source,
    SourceReceipt,
)
from tuner.documents.gain import Gain
from tuner.documents.trial_explanation import TrialExplanation
from tuner.learning.lessons import lesson_text
from tuner.proposals.frozen import told_values
from tuner.proposals.history_users import takes_prior
from tuner.service.answers.stops import stop_document
from tuner.service.answers.times import iso
from tuner.service.answers.wording import reason_texts
from tuner.service.explanations.gain import Results, estimate_gain
from tuner.service.explanations.nearest import nearest_trials
from tuner.service.explanations.pruning import explain_pruning
from tuner.service.explanations.pruning_account import account_for
from tuner.service.explanations.reasons import compared, history_share, why_text
from tuner.service.explanations.value_scale import ValueScale
from tuner.spec import StudySpec
from tuner.spec.history import history_json
from tuner.storage import Storage, tables
from tuner.storage.curves import read_curves
from tuner.trials.specs import read_spec
from tuner.trials.trial import Trial

Rows = Sequence[sa.Row[Any]]


def explain_study(
    storage: Storage, study: sa.Row[Any], rows: Rows, *, limit: int, gain: bool
) -> Explanation:
    """Return what a study's sampler knew from history, how it used it, and what it gained.

    Args:
        storage: the truth.
        study: its row.
        rows: all its trials, in number order.
        limit: so many proposals are listed; of more, the first and the last half.
        gain: whether the gain is estimated, which takes a second.
    """
    spec = read_spec(study.spec_json)
    lessons = _lessons(storage, study.id)
    newest = lessons[-1] if lessons else None
    receipt = _receipt(newest)
    used = _uses(rows)
    with storage.read() as connection:
        pruning = explain_pruning(connection, study, spec, rows, receipt["curves"])
        account = account_for(connection, study)
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
        "gain": _gain(storage, study, spec, rows) if gain else None,
        "pruning": pruning,
        "pruning_account": account,
    }


def explain_trial(
    storage: Storage, study: sa.Row[Any], rows: Rows, trial: sa.Row[Any]
) -> TrialExplanation:
    """Return why a trial was proposed, and the historic trials that are nearest to it."""
    spec = read_spec(study.spec_json)
    record = json.loads(trial.proposal_json)
    insight = record.get("insight") or {}
    document = _proposal(trial, rows, spec)
    params = json.loads(trial.params_json)
    comparison = compared(record, params, rows, spec)
    sources = {item["source"] for item in insight.get("nearest", ())}
    with storage.read() as connection:
        stop = stop_document(connection, trial.optuna_id)
    return {
        "study": spec.name,
        **document,
        "params": params,
        "why": why_text(record, rows, spec),
        **comparison,
        "because": reason_texts(spec.metrics[0].name, document, comparison),
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
_NOTHING_EXPECTED: Expectation = {
    "predicted": None,
    "predicted_low": None,
    "predicted_high": None,
    "predicted_cold": None,
}
_EMPTY: JsonObject = {
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


def _receipt(row: sa.Row[Any] | None) -> JsonObject:
    return _EMPTY if row is None else {**_EMPTY, **json.loads(row.receipt_json)}


def _key(row: sa.Row[Any]) -> str | None:
    key: str | None = json.loads(row.receipt_json)["artifact"]
    return key


def _state(
    spec: StudySpec, receipt: JsonObject, newest: sa.Row[Any] | None
) -> Literal["informed", "cold", "unused", "pending"]:
    if not takes_prior(spec) or not spec.history:
        return "unused"
    if newest is None:
        return "pending"
    return "cold" if receipt["artifact"] is None else "informed"


def _summary(spec: StudySpec, receipt: JsonObject, newest: sa.Row[Any] | None) -> str:
    if not takes_prior(spec):
        return f"sampler {spec.sampler.name} takes nothing from history"
    if not spec.history:
        return "starts cold: history is none"
    if newest is None:
        return "the history was not looked at yet"
    return lesson_text(receipt["summary"], receipt["problem"])


def _sources(receipt: JsonObject) -> list[Source]:
    """Return the receipts of the studies that were looked at, those that count most first."""
    shares = {
        (metric, item["name"]): item
        for metric, found in receipt["shares"].items()
        for item in found.get("sources", ())
    }
    sources: list[Source] = []
    for stored in receipt["sources"]:
        source: SourceReceipt = stored
        share = shares.get((source["metric"], source["key"]), {})
        left_out = source["left_out"] or share.get("reason", "")
        sources.append(
            {
                **source,
                # Earlier releases did not note it.
                "found_at": source.get("found_at", ""),
                "finished": iso(stored["finished"]),
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


def _artifact(row: sa.Row[Any], used: dict[str, list[int]]) -> ArtifactUse:
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


def _proposal(row: sa.Row[Any], rows: Rows, spec: StudySpec) -> ExplainedProposal:
    record = json.loads(row.proposal_json)
    insight = record.get("insight") or {}
    return {
        "trial": row.number,
        "state": row.state.upper(),
        "cause": row.cause,
        "objective": row.objective,
        "values": _values(row, spec),
        "is_final": row.state == "complete",
        "sampler": record["sampler"],
        "preparation": record.get("preparation"),
        "artifact": record.get("artifact"),
        "model": insight.get("model"),
        "trust": insight.get("trust"),
        **_expected(record, insight, rows, spec),
    }


def _expected(record: JsonObject, insight: JsonObject, rows: Rows, spec: StudySpec) -> Expectation:
    """Return what was expected of a trial, in the metric's unit, as it was recorded."""
    if insight.get("mean") is None or len(spec.metrics) > 1:
        return _NOTHING_EXPECTED
    # Earlier releases recorded what was expected on the models' own scale alone.
    mean, std = insight["mean"], insight["std"]
    older = {"mean": mean, "low": mean - std, "high": mean + std, "cold": insight.get("cold_mean")}
    scale = _scale(record, rows, spec)

    def value(key: str) -> float | None:
        recorded: float | None = insight.get(f"objective_{key}")
        return scale.value(older[key]) if recorded is None else recorded

    low, high = value("low"), value("high")
    # While all results are the same, the models' scale has no unit.
    if low == high:
        return _NOTHING_EXPECTED
    return {
        "predicted": value("mean"),
        "predicted_low": low,
        "predicted_high": high,
        "predicted_cold": value("cold"),
    }


def _values(row: sa.Row[Any], spec: StudySpec) -> dict[str, float | None]:
    """Return what came of a trial, by metric; empty where nothing did."""
    if row.objective is not None and len(spec.metrics) == 1:
        return {spec.metrics[0].name: row.objective}
    names = [metric.name for metric in spec.metrics]
    return dict(zip(names, told_values(Trial.of(row)), strict=False))


def _scale(record: JsonObject, rows: Rows, spec: StudySpec) -> ValueScale:
    """Return the scale that the models had when a trial was proposed."""
    told = record["told"]
    values = [
        row.objective
        for row in rows
        if row.told is not None and row.told <= told and row.state == "complete"
    ]
    return ValueScale(values, maximize=spec.metrics[0].goal == "maximize")


def _gain(storage: Storage, study: sa.Row[Any], spec: StudySpec, rows: Rows) -> Gain | None:
    if len(spec.metrics) > 1:
        return None
    told = sorted(
        (row for row in rows if row.told is not None and row.state in ("complete", "pruned")),
        key=lambda row: row.told,
    )
    with storage.read() as connection:
        curves = read_curves(connection, study.id)
    records = [json.loads(row.proposal_json) for row in told]
    return estimate_gain(
        Results(
            space=spec.space,
            maximize=spec.metrics[0].goal == "maximize",
            params=[json.loads(row.params_json) for row in told],
            values=[next(iter(told_values(Trial.of(row))), math.nan) for row in told],
            reports=[curves.get(row.number, {}) for row in told],
            pruned=[row.state == "pruned" for row in told],
            history=[history_share(record, rows, spec) for record in records],
        )
    )
