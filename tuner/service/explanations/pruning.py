"""What a pruner that uses history did in a study: which trials it stopped, and was it right."""

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
from tuner.service.answers.reported import read_reported
from tuner.spec import StudySpec
from tuner.storage import optuna_rows
from tuner.trials.states import ENDED, TrialState
from tuner.trials.study import Study
from tuner.trials.trial import Trial

Trials = Sequence[Trial]


def explain_pruning(
    connection: sa.Connection,
    study: Study,
    spec: StudySpec,
    trials: Trials,
    receipt: Mapping[str, Any] | None,
) -> JsonObject | None:
    """Return what the pruner knew from history and what it did; None: no such pruner was used.

    Args:
        trials: all its trials, in number order.
        receipt: its newest receipt on curves, as `CurveReceipt` stores it; None: there is none.
    """
    marks = {
        trial_id: attrs[MARK]
        for trial_id, attrs in optuna_rows.trial_attrs(connection, study.optuna_id).items()
        if MARK in attrs
    }
    if spec.pruner.name != HISTORY and not marks:
        return None
    # A pruner that was replaced has left its marks; the trials that it stopped are still listed.
    options = spec.pruner.options if spec.pruner.name == HISTORY else {}
    pruner = HistoryPruner(**options)
    by_number = {
        trial.number: marks[trial.optuna_id] for trial in trials if trial.optuna_id in marks
    }
    stopped = [
        trial for trial in trials if trial.state is TrialState.PRUNED and trial.number in by_number
    ]
    audited = [
        trial
        for trial in trials
        if trial.state is TrialState.COMPLETE and trial.number in by_number
    ]
    reported = read_reported(connection, study.id)
    steps = {number: trial.last for number, trial in reported.items()}
    return {
        "top": pruner.top,
        "confidence": pruner.confidence,
        "summary": "the history was not looked at yet" if receipt is None else receipt["summary"],
        "receipt": receipt,
        "stopped": len(stopped),
        "audited": len(audited),
        "audited_wrong": _in_top(spec, trials, audited, by_number),
        "saved": _saved(trials, stopped, by_number, steps),
        "trust": by_number[max(by_number)]["trust"] if by_number else None,
        "trials": [
            {"trial": number, "text": mark_text(mark), **mark}
            for number, mark in sorted(by_number.items())
        ],
    }


def _in_top(
    spec: StudySpec, trials: Trials, audited: Trials, marks: Mapping[int, Mapping[str, Any]]
) -> int:
    """Return how many audited trials, which ran on, ended in the best share of all ended trials.

    Stopped trials count as worse than all others, as they were condemned.
    """
    ended = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    sign = -1.0 if spec.metrics[0].goal == "maximize" else 1.0
    values: list[float] = [
        sign * trial.objective
        if trial.state is TrialState.COMPLETE and trial.objective is not None
        else float("inf")
        for trial in ended
    ]
    places = ranks(np.array(values, dtype=float))
    place = {trial.number: float(at) for trial, at in zip(ended, places, strict=True)}
    return sum(place[trial.number] < marks[trial.number]["top"] for trial in audited)


def _saved(
    trials: Trials,
    stopped: Trials,
    marks: Mapping[int, Mapping[str, Any]],
    steps: Mapping[int, int],
) -> JsonObject | None:
    """Return an estimate of the epochs that were saved, and of their share of all.

    A stopped trial is assumed to have had its full length ahead of it; a training that ends early
    by itself would have trained less.
    """
    ended = [trial for trial in trials if trial.state in ENDED]
    trained = sum(steps.get(trial.number, 0) for trial in ended)
    saved = sum(
        max(0.0, marks[trial.number]["horizon"] - steps.get(trial.number, 0)) for trial in stopped
    )
    if trained + saved <= 0:
        return None
    return {"epochs": saved, "trained": trained, "share": saved / (trained + saved)}
