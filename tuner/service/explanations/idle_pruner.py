"""Why a pruner has stopped nothing, and what to do about it, in a sentence."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tuner.documents.explanations.pruning import Rung
from tuner.service.answers.reported import Reported
from tuner.service.answers.wording import count
from tuner.storage import tables
from tuner.trials.states import TrialState
from tuner.trials.store.trials import EndedTrial
from tuner.trials.study import Study

#: Optuna's defaults for the pruner `median`, and the default of `patient`.
_STARTUP_TRIALS, _PATIENCE = 5, 3
_FEW = 3
#: Trials shorter than this cannot be pruned: reports go out twice a second, and the answer comes
#: with the next one.
_SHORT_S = 1.0


def why_idle(
    connection: sa.Connection,
    study: Study,
    options: Mapping[str, Any],
    ended: Sequence[EndedTrial],
    reported: Mapping[int, Reported],
    rung: Rung | None,
) -> str:
    """Return why a pruner has stopped no trial; empty: no trial has ended yet.

    Args:
        options: the pruner's options, including its name.
        ended: the ended trials, in number order.
        reported: what they have reported.
        rung: where it judges first, if it has rungs.
    """
    if not ended:
        return ""
    found = [reported[trial.number] for trial in ended if trial.number in reported]
    longest = max((one.last for one in found), default=0)
    if not found:
        return "no trial has reported anything: call run.report(step, value) after each epoch"
    if not any(one.numbers for one in found):
        return "no report was a number"
    if all(one.reports == 1 for one in found):
        return "each trial reports once, when nothing is left to save: report after each epoch"
    special = {
        "asha": lambda: _of_rung(longest, rung),
        "hyperband": lambda: _of_rung(longest, rung),
        "median": lambda: _of_median(connection, study, options, ended, longest),
        "patient": lambda: _of_patience(options, longest),
        "history": lambda: _of_history(connection, study),
    }.get(options["name"])
    # Nothing is known about the rules of a pruner from another package.
    reason = special and special()
    if reason:
        return reason
    took = statistics.median(trial.duration_s or 0.0 for trial in ended)
    if took < _SHORT_S:
        return f"a trial is over in {took:.1f} s, before a decision can reach it"
    if len(ended) <= _FEW:
        return f"too few trials to compare: {count(len(ended), 'trial')} ended"
    return "no trial has stood badly enough"


def _of_rung(longest: int, rung: Rung | None) -> str:
    if rung is None or rung["step"] is None:
        return "no trial has run to its end yet, and until one has, nothing is stopped"
    if rung["step"] >= longest:
        return (
            f"the first rung, step {rung['step']}, is not before the end of a trial "
            f"({count(longest, 'step')}): lower pruner.min_resource"
        )
    return ""


def _of_median(
    connection: sa.Connection,
    study: Study,
    options: Mapping[str, Any],
    ended: Sequence[EndedTrial],
    longest: int,
) -> str:
    startup = options.get("startup_trials", _STARTUP_TRIALS)
    whole = sum(trial.state is TrialState.COMPLETE for trial in ended)
    warmup = options.get("warmup_steps", 0)
    if whole < startup:
        return f"it begins after {count(startup, 'whole trial')} (startup_trials), {whole} ended"
    if warmup >= longest:
        return f"warmup_steps, {warmup}, is not below the length of a trial ({longest} steps)"
    r = tables.reports
    steps, reports = connection.execute(
        sa.select(sa.func.count(r.c.step.distinct()), sa.func.count()).where(
            r.c.study_id == study.id, r.c.value.is_not(None)
        )
    ).one()
    if steps == reports:
        return "no two trials report at the same step, and it compares at equal steps: take asha"
    return ""


def _of_patience(options: Mapping[str, Any], longest: int) -> str:
    patience = options.get("patience", _PATIENCE)
    if patience >= longest:
        return f"patience, {patience}, is not below the length of a trial ({longest} steps)"
    return f"no trial went {count(patience, 'step')} without a gain"


def _of_history(connection: sa.Connection, study: Study) -> str:
    a = tables.artifacts
    query = sa.select(a.c.receipt_json).where(a.c.study_id == study.id)
    receipt = connection.execute(query.order_by(a.c.created.desc()).limit(1)).scalar_one_or_none()
    curves = json.loads(receipt).get("curves") if receipt is not None else None
    if curves is None:
        return "what history says was not looked at yet"
    return str(curves["summary"]).removeprefix("prunes nothing: ") if curves["key"] is None else ""
