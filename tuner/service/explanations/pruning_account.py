"""What a study's pruner has saved, what that may have cost, and why it stopped nothing.

The saving is an estimate, as if each stopped trial had continued to its end at its own speed. The
loss is estimated from trials that were condemned but ran on: how many of them ended among the best
tenth.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.documents.explanations.pruning import Lost, PruningAccount, Rung, Saved
from tuner.history.learning_curves.horizon import declared_horizon
from tuner.proposals.pruners.marks import read_first_rung, read_marks
from tuner.registry import PRUNERS, Trait
from tuner.service.answers.reported import Reported, read_reported
from tuner.service.explanations.idle_pruner import why_idle
from tuner.trials.specs import read_spec
from tuner.trials.states import TrialState
from tuner.trials.store.trials import EndedTrial, ended_trials
from tuner.trials.study import Study

Ended = Sequence[EndedTrial]

#: Winners are trials in this best share.
WINNERS = 0.1
#: The quantiles of the estimated loss.
_RANGE = (0.1, 0.9)


#: Maximum share of the time between two requests that computing an account may take.
_EFFORT = 0.05
_KEPT = 100


@dataclass(frozen=True, kw_only=True)
class _Kept:
    key: tuple[Any, ...]
    document: PruningAccount | None
    made: float
    took: float


class PruningAccounts:
    """The accounts of studies, as their statuses show them. Thread-safe.

    A running study's status is requested several times a second, and an account reads all of its
    trials. So the account of a large study that has not ended may be some seconds old.
    """

    def __init__(self) -> None:
        self._kept: dict[int, _Kept] = {}

    def of(self, connection: sa.Connection, study: Study) -> PruningAccount | None:
        """Return the account of a study's pruner; None: it has none."""
        key = (study.revision, study.state, study.told)
        kept = self._kept.get(study.id)
        began = time.monotonic()
        if kept is not None:
            is_young = kept.took > _EFFORT * (began - kept.made)
            if kept.key == key or (kept.key[:2] == key[:2] and is_young):
                return kept.document
        document = account_for(connection, study)
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        now = time.monotonic()
        self._kept[study.id] = _Kept(key=key, document=document, made=now, took=now - began)
        return document


def account_for(connection: sa.Connection, study: Study) -> PruningAccount | None:
    """Return the account of a study's pruner; None: it has none."""
    spec = read_spec(study.spec_json)
    options = spec.pruner.model_dump(exclude_none=True)
    if options["name"] == "none":
        return None
    ended = ended_trials(connection, study.id)
    reported = read_reported(connection, study.id)
    marks = read_marks(connection, study.optuna_id)
    rung = _rung(connection, study, options)
    stopped = [trial for trial in ended if trial.state is TrialState.PRUNED]
    ran_on = [
        trial for trial in ended if trial.state is TrialState.COMPLETE and trial.number in marks
    ]
    length = _usual_length(ended, reported)
    return {
        "pruner": options["name"],
        "stopped": len(stopped),
        "ran_on": len(ran_on),
        "saved": _saved(ended, stopped, reported, spec.space.fixed_values, length),
        "lost": _lost(ended, len(stopped), ran_on, spec.metrics[0].goal),
        "first_rung": rung,
        "idle": why_idle(connection, study, options, ended, reported, rung) if not stopped else "",
    }


def _rung(connection: sa.Connection, study: Study, options: Mapping[str, Any]) -> Rung | None:
    """Return where a pruner with rungs judges first; `step` is null while that is unknown."""
    if not PRUNERS.has(options["name"], Trait.RUNGS):
        return None
    stored = read_first_rung(connection, study.optuna_id) or {}
    given = options.get("min_resource", "auto")
    if given == "auto":
        if stored.get("kind") not in (None, "given"):
            return {"step": stored["step"], "why": stored["why"], "warning": stored["warning"]}
        why = "not chosen yet: nothing is stopped until a trial has run to its end"
        return {"step": None, "why": why, "warning": ""}
    warning = stored["warning"] if stored.get("step") == given else ""
    return {"step": given, "why": "as given", "warning": warning}


def _usual_length(ended: Ended, reported: Mapping[int, Reported]) -> float | None:
    """Return the usual number of steps of a trial that runs to its end; None: unknown."""
    whole = [
        reported[trial.number].last
        for trial in ended
        if trial.state is TrialState.COMPLETE and trial.number in reported
    ]
    return statistics.median(whole) if whole else None


def _saved(
    ended: Ended,
    stopped: Ended,
    reported: Mapping[int, Reported],
    fixed: Mapping[str, Any],
    usual: float | None,
) -> Saved | None:
    """Return the epochs and hours that were saved, and their share of all; None: unknown."""
    trained = float(sum(reported[trial.number].last for trial in ended if trial.number in reported))
    usual_s = _usual_step_s(reported)
    epochs, hours = 0.0, 0.0
    for trial in stopped:
        done = reported[trial.number].last if trial.number in reported else 0
        length = declared_horizon({**fixed, **json.loads(trial.params_json)}) or usual
        if length is None:
            return None
        rest = max(0.0, length - done)
        epochs += rest
        if done and trial.duration_s:
            hours += rest * _step_s(reported[trial.number], trial.duration_s, usual_s) / 3600.0
    if trained + epochs <= 0.0:
        return None
    return {"epochs": epochs, "hours": round(hours, 4), "share": epochs / (trained + epochs)}


def _usual_step_s(reported: Mapping[int, Reported]) -> float:
    """Return the median seconds per step of trials with two reports or more, inf without any."""
    steps = [trial.step_s for trial in reported.values() if trial.step_s is not None]
    return statistics.median(steps) if steps else math.inf


def _step_s(reported: Reported, duration_s: float, usual_s: float) -> float:
    """Return the seconds per step of a trial, without its startup if the reports allow that.

    With a single report, startup and step cannot be told apart, so the pace of other trials is
    used. A trial that was interrupted and resumed has a gap in its reports: its duration is an
    upper bound.
    """
    step_s = usual_s if reported.step_s is None else reported.step_s
    return min(duration_s / reported.last, step_s)


def _lost(ended: Ended, stopped: int, ran_on: Ended, goal: str) -> Lost | None:
    """Return the share of winners that was stopped; None: no trial that ran on tells it.

    If g of the m condemned trials that ran on were winners, the chance that a condemned trial is a
    winner has the posterior Beta(g + 1/2, m - g + 1/2), with a nearly uninformative prior.
    """
    if not stopped or not ran_on:
        return None
    # Importing it takes a quarter of a second.
    from scipy.special import betaincinv

    sign = -1.0 if goal == "maximize" else 1.0
    told = [trial for trial in ended if trial.state is not TrialState.FAIL]
    values = sorted(
        sign * trial.objective
        for trial in told
        if trial.state is TrialState.COMPLETE and trial.objective is not None
    )
    winners = min(len(values), math.ceil(WINNERS * len(told)))
    bar = values[winners - 1]
    good = sum(trial.objective is not None and sign * trial.objective <= bar for trial in ran_on)
    bad = len(ran_on) - good
    low, high = (float(betaincinv(good + 0.5, bad + 0.5, at)) for at in _RANGE)
    middle = good / len(ran_on)
    return {
        "share": _share(stopped, middle, winners),
        "low": _share(stopped, low, winners) if good else 0.0,
        "high": _share(stopped, high, winners),
        "good": good,
        "winners": winners,
    }


def _share(stopped: int, chance: float, kept: int) -> float:
    return stopped * chance / (stopped * chance + kept)
