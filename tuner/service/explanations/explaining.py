"""Why a study's trials were proposed: the receipt of its history, and each proposal's reason."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from tuner.documents.document import JsonObject
from tuner.documents.explanations.explanation import (
    ArtifactUse,
    Expectation,
    ExplainedProposal,
    Explanation,
    Source,
    SourceReceipt,
)
from tuner.documents.explanations.gain import Gain
from tuner.documents.explanations.trial_explanation import TrialExplanation
from tuner.learning.lessons import lesson_text
from tuner.proposals.history_users import takes_prior
from tuner.service.answers.stops import stop_document
from tuner.service.answers.times import iso
from tuner.service.answers.trial_words import TRIAL_WORDS
from tuner.service.answers.wording import reason_texts
from tuner.service.explanations.gain import Results, estimate_gain
from tuner.service.explanations.nearest import nearest_trials
from tuner.service.explanations.pruning import explain_pruning
from tuner.service.explanations.pruning_account import account_for
from tuner.service.explanations.reasons import Records, compared, history_share, why_text
from tuner.service.explanations.value_scale import ValueScale
from tuner.spec import StudySpec
from tuner.spec.history import history_json
from tuner.storage import Storage, tables
from tuner.storage.curves import read_curves
from tuner.trials.specs import read_spec
from tuner.trials.states import TrialState
from tuner.trials.study import Study
from tuner.trials.trial import Trial

Trials = Sequence[Trial]


def explain_study(
    storage: Storage, study: Study, trials: Trials, *, limit: int, gain: bool
) -> Explanation:
    """Return what a study's sampler took from history, how it used it, and what it gained.

    Args:
        trials: all its trials, in number order.
        limit: maximum number of proposals to list; if there are more, the first and the last half.
        gain: whether to estimate the gain, which takes a second.
    """
    spec = read_spec(study.spec_json)
    lessons = _lessons(storage, study.id)
    newest = lessons[-1] if lessons else None
    receipt = _EMPTY if newest is None else newest.receipt
    records = [trial.proposal for trial in trials]
    used = _uses(trials, records)
    with storage.read() as connection:
        pruning = explain_pruning(connection, study, spec, trials, receipt["curves"])
        account = account_for(connection, study)
    return {
        "study": spec.name,
        "sampler": spec.sampler.name,
        "history": history_json(spec.history),
        "state": _state(spec, receipt, newest),
        "summary": _summary(spec, receipt, newest),
        "problem": receipt["problem"],
        "artifact": receipt["artifact"],
        "learnt": iso(newest.learnt) if newest is not None else None,
        "took_s": receipt["took_s"],
        "sources": _sources(receipt),
        "artifacts": [_artifact(one, used) for one in lessons if one.receipt["artifact"]],
        "proposals": [_proposal(trial, trials, spec) for trial in _ends(trials, limit)],
        "gain": _gain(storage, study, spec, trials, records) if gain else None,
        "pruning": pruning,
        "pruning_account": account,
    }


def explain_trial(storage: Storage, study: Study, trials: Trials, trial: Trial) -> TrialExplanation:
    """Return why a trial was proposed, and the historic trials nearest to it."""
    spec = read_spec(study.spec_json)
    record, params = trial.proposal, trial.params
    insight = record.get("insight") or {}
    document = _proposal(trial, trials, spec)
    comparison = compared(record, params, trials, spec)
    sources = {item["source"] for item in insight.get("nearest", ())}
    with storage.read() as connection:
        stop = stop_document(connection, trial.optuna_id)
    return {
        "study": spec.name,
        **document,
        "params": params,
        "why": why_text(record, [other.proposal for other in trials], spec),
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lesson:
    """What a study knew from history from some moment on."""

    receipt: JsonObject
    #: When it was learned, in seconds since the epoch.
    learnt: float


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


def _lessons(storage: Storage, study_id: int) -> list[_Lesson]:
    a = tables.artifacts
    query: sa.Select[Any] = sa.select(a.c.receipt_json, a.c.created)
    query = query.where(a.c.study_id == study_id).order_by(a.c.created)
    with storage.read() as connection:
        return [
            _Lesson(receipt={**_EMPTY, **json.loads(receipt)}, learnt=learnt)
            for receipt, learnt in connection.execute(query)
        ]


def _state(
    spec: StudySpec, receipt: JsonObject, newest: _Lesson | None
) -> Literal["informed", "cold", "unused", "pending"]:
    if not takes_prior(spec) or not spec.history:
        return "unused"
    if newest is None:
        return "pending"
    return "cold" if receipt["artifact"] is None else "informed"


def _summary(spec: StudySpec, receipt: JsonObject, newest: _Lesson | None) -> str:
    if not takes_prior(spec):
        return f"sampler {spec.sampler.name} takes nothing from history"
    if not spec.history:
        return "starts cold: history is none"
    if newest is None:
        return "the history was not looked at yet"
    return lesson_text(receipt["summary"], receipt["problem"])


def _sources(receipt: JsonObject) -> list[Source]:
    """Return the receipts of the matched studies, those with the most influence first."""
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
                # Earlier releases did not record it.
                "found_at": source.get("found_at", ""),
                "finished": iso(stored["finished"]),
                "left_out": left_out,
                "share": share.get("weight", 0.0),
                "agreement": share.get("agreement"),
            }
        )
    return sorted(sources, key=lambda source: -source["share"])


def _ends(trials: Trials, limit: int) -> Trials:
    """Return at most `limit` trials: the first and the last half."""
    if len(trials) <= limit:
        return trials
    first = limit // 2
    return [*trials[:first], *trials[len(trials) - (limit - first) :]]


def _uses(trials: Trials, records: Records) -> dict[str, list[int]]:
    """Return the numbers of the trials that were proposed with each artifact."""
    used: dict[str, list[int]] = {}
    for trial, record in zip(trials, records, strict=True):
        key = record.get("artifact")
        if key is not None:
            used.setdefault(key, []).append(trial.number)
    return used


def _artifact(lesson: _Lesson, used: dict[str, list[int]]) -> ArtifactUse:
    receipt = lesson.receipt
    with_it = used.get(receipt["artifact"], [])
    return {
        "artifact": receipt["artifact"],
        "learnt": iso(lesson.learnt),
        "proposals": len(with_it),
        "first_trial": min(with_it, default=None),
        "last_trial": max(with_it, default=None),
        "shares": {
            metric: {item["name"]: item["weight"] for item in found.get("sources", ())}
            for metric, found in receipt["shares"].items()
        },
    }


def _proposal(trial: Trial, trials: Trials, spec: StudySpec) -> ExplainedProposal:
    record = trial.proposal
    insight = record.get("insight") or {}
    return {
        "trial": trial.number,
        "state": TRIAL_WORDS[trial.state],
        "cause": trial.cause,
        "objective": trial.objective,
        "values": _values(trial, spec),
        "is_final": trial.state is TrialState.COMPLETE,
        "sampler": record["sampler"],
        "preparation": record.get("preparation"),
        "artifact": record.get("artifact"),
        "model": insight.get("model"),
        "trust": insight.get("trust"),
        **_expected(record, insight, trials, spec),
    }


def _expected(
    record: JsonObject, insight: JsonObject, trials: Trials, spec: StudySpec
) -> Expectation:
    """Return what was expected of a trial, in the metric's unit, as it was recorded."""
    if insight.get("mean") is None or len(spec.metrics) > 1:
        return _NOTHING_EXPECTED
    # Earlier releases recorded expectations only on the models' own scale.
    mean, std = insight["mean"], insight["std"]
    older = {"mean": mean, "low": mean - std, "high": mean + std, "cold": insight.get("cold_mean")}
    scale = _scale(record, trials, spec)

    def value(key: str) -> float | None:
        recorded: float | None = insight.get(f"objective_{key}")
        return scale.value(older[key]) if recorded is None else recorded

    low, high = value("low"), value("high")
    # While all results are equal, the models' scale has no unit.
    if low == high:
        return _NOTHING_EXPECTED
    return {
        "predicted": value("mean"),
        "predicted_low": low,
        "predicted_high": high,
        "predicted_cold": value("cold"),
    }


def _values(trial: Trial, spec: StudySpec) -> dict[str, float | None]:
    """Return the results of a trial, by metric; empty if there are none."""
    if trial.objective is not None and len(spec.metrics) == 1:
        return {spec.metrics[0].name: trial.objective}
    if trial.state is TrialState.FAIL:
        return {}
    names = [metric.name for metric in spec.metrics]
    return dict(zip(names, trial.values, strict=False))


def _scale(record: JsonObject, trials: Trials, spec: StudySpec) -> ValueScale:
    """Return the scale of the models at the time when a trial was proposed."""
    told = record["told"]
    values = [
        trial.objective
        for trial in trials
        if trial.told is not None
        and trial.told <= told
        and trial.state is TrialState.COMPLETE
        and trial.objective is not None
    ]
    return ValueScale(values, maximize=spec.metrics[0].goal == "maximize")


def _gain(
    storage: Storage, study: Study, spec: StudySpec, trials: Trials, records: Records
) -> Gain | None:
    if len(spec.metrics) > 1:
        return None
    told = sorted(
        (trial.told, trial.number, trial, record)
        for trial, record in zip(trials, records, strict=True)
        if trial.told is not None and trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
    )
    with storage.read() as connection:
        curves = read_curves(connection, study.id)
    return estimate_gain(
        Results(
            space=spec.space,
            maximize=spec.metrics[0].goal == "maximize",
            params=[trial.params for *_, trial, _ in told],
            values=[next(iter(trial.values), math.nan) for *_, trial, _ in told],
            reports=[curves.get(trial.number, {}) for *_, trial, _ in told],
            pruned=[trial.state is TrialState.PRUNED for *_, trial, _ in told],
            history=[history_share(record, records, spec) for *_, record in told],
        )
    )
