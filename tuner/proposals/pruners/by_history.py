"""The history pruner: it stops trials that rank like earlier trials which came to nothing.

The history's part is computed in the background with the lesson of the study
(`history_refresher.py`), stored, and passed on with `take`. Before that, or without it, nothing is
pruned.

The horizon of a trial is what its parameters or the study's constants declare as epochs
(`tuner.history.learning_curves.horizon`); or else the longest complete curve of this study and of
earlier studies with the same code. Until one is known nothing is stopped, and nothing is stopped at
its last step. Progress is the fraction of its own horizon that a trial has completed, so that
trials of different lengths can be compared; a running trial is compared at the last progress that
both have reached.

A decision is a function of the trials in number order with their reports, the marks on them, and
the history's part. A mark is a system attribute of a condemned trial, stored in the transaction of
the report to which it responds: so decisions are the same after a restart.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from tuner.curves.belief import CurveBelief
from tuner.curves.referee import Entry, PruneVerdict, Referee
from tuner.curves.runs import LAST, Fate, make_run
from tuner.history.learning_curves.horizon import declared_horizon
from tuner.proposals.pruners.marks import MARK
from tuner.trials.causes import CAUSE_ATTR

#: Defaults if the spec does not specify them.
TOP = 0.5
CONFIDENCE = 0.9


def confidence_for(top: float, confidence: float | None) -> float:
    """Return the effective confidence: by default `CONFIDENCE`, or more if `top` is small.

    At least half of the base rate has to be ruled out: a smaller margin would stop trials of which
    nothing is known.
    """
    return max(CONFIDENCE, 1.0 - top / 2.0) if confidence is None else confidence


class HistoryPruner(BasePruner):
    """Prunes by the curves of earlier studies.

    Args:
        top: the fraction of the trials that should not be lost.
        confidence: a trial is stopped if its probability of ending there is below 1 - `confidence`.
    """

    def __init__(self, top: float = TOP, confidence: float | None = None) -> None:
        self.top = top
        self.confidence = confidence_for(top, confidence)
        #: Values shared by all trials of the study.
        self.constants: Mapping[str, Any] = {}
        self._referee: Referee | None = None
        self._lock = threading.Lock()
        #: Ended trials in the referee's form, for one horizon of trials that declare none.
        self._ended: dict[int, Entry] = {}
        #: Last steps of the trials that ran to their end.
        self._whole: dict[int, int] = {}
        self._longest: float | None = None

    def take(self, belief: CurveBelief | None) -> None:
        """From now on, judge by the history's curves; None: prune nothing."""
        with self._lock:
            # What was made for another fraction does not apply to this one.
            fits = belief is not None and belief.top == self.top
            self._referee = Referee(belief, self.confidence) if belief and fits else None
            self._ended.clear()

    @override
    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether the trial must end; leaves a mark on a condemned one."""
        # Reports arrive in the server's threads; two trials must not get the same count.
        with self._lock:
            mark = trial.system_attrs.get(MARK)
            if mark is not None:
                return not mark["audited"]
            if self._referee is None or not trial.intermediate_values:
                return False
            verdict = self._judge(study, trial, self._referee)
            if verdict is None or not verdict.condemned:
                return False
            mark = self._mark(trial, verdict, self._referee.belief)
            study._storage.set_trial_system_attr(trial._trial_id, MARK, mark)  # noqa: SLF001
            return verdict.stops

    def _judge(
        self, study: optuna.Study, trial: FrozenTrial, referee: Referee
    ) -> PruneVerdict | None:
        trials = study.get_trials(deepcopy=False)
        self._note_longest(trials, referee.belief.horizon)
        horizon = self._horizon(trial)
        if horizon is None or max(trial.intermediate_values) >= horizon:
            return None
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        entries = [self._entry(other, sign) for other in trials]
        entry = entries[trial.number]
        if entry.run is None or entry.run.reported >= LAST:
            return None
        return referee.judge(entries, trial.number)

    def _note_longest(self, trials: Sequence[FrozenTrial], known: float | None) -> None:
        """Find the horizon of trials that declare none."""
        for trial in trials:
            if trial.state == TrialState.COMPLETE and trial.number not in self._whole:
                self._whole[trial.number] = max(trial.intermediate_values, default=0)
        longest: float | None = max([known or 0, *self._whole.values()]) or None
        if longest != self._longest:
            self._longest = longest
            self._ended.clear()
            if self._referee is not None:
                self._referee.forget()

    def _horizon(self, trial: FrozenTrial) -> float | None:
        return declared_horizon({**self.constants, **trial.params}) or self._longest

    def _entry(self, trial: FrozenTrial, sign: float) -> Entry:
        found = self._ended.get(trial.number)
        if found is None:
            found = self._make_entry(trial, sign)
            if found.has_ended:
                self._ended[trial.number] = found
        return found

    def _make_entry(self, trial: FrozenTrial, sign: float) -> Entry:
        mark = trial.system_attrs.get(MARK)
        condemned = None if mark is None else float(mark["half"])
        fate = _fate(trial)
        ended = trial.state.is_finished()
        values = trial.intermediate_values
        horizon = self._horizon(trial)
        if fate is None or horizon is None or (not values and fate != "worst"):
            return Entry(run=None, has_ended=ended, condemned=condemned)
        curve = {step: sign * value for step, value in values.items()}
        run = make_run(curve, max(horizon, *curve, 1), fate)
        final = sign * float(trial.values[0]) if fate == "whole" and trial.values else None
        return Entry(run=run, final=final, has_ended=ended, condemned=condemned)

    def _mark(
        self, trial: FrozenTrial, verdict: PruneVerdict, belief: CurveBelief
    ) -> dict[str, Any]:
        """Return the receipt of a decision: JSON values with everything it is based on."""
        standing = verdict.standing
        return {
            "audited": verdict.audited,
            "count": verdict.count,
            "step": max(trial.intermediate_values),
            "horizon": self._horizon(trial),
            "rank": 1 + int(standing.better),
            "of": standing.of + 1,
            "same_data": None if standing.place is None else round(standing.place, 4),
            "chance": round(verdict.chance, 4),
            "half": round(verdict.half, 4),
            "used": round(verdict.used, 4),
            "trust": round(verdict.trust, 4),
            "top": self.top,
            "confidence": self.confidence,
            "studies": belief.studies,
            "curves": belief.key,
        }


def _fate(trial: FrozenTrial) -> Fate | None:
    """Return how a trial ended for its peers; None if its end says nothing about its parameters."""
    if trial.state == TrialState.COMPLETE:
        return "whole"
    # In the in-memory study a trial whose parameters made it fail is PRUNED, with a cause.
    if trial.state == TrialState.PRUNED and trial.system_attrs.get(CAUSE_ATTR) is not None:
        return "worst"
    return None if trial.state == TrialState.FAIL else "open"
