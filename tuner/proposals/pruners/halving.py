"""`asha` and `hyperband`: of the trials that have reached a rung, the best continue.

Rungs are at r, r f, r f^2, ... steps: r is the first one, f the reduction factor. With Hyperband
the trials are divided into brackets, and those of bracket b begin at r f^b. A trial's value at a
rung is its first report there or later, so trials that report at different steps, late or rarely
can be compared too. It is judged once, when that report arrives, among all values at the rung so
far: it continues if it is in the best 1/f, or the best while there are fewer than 2 f.

That is the rule of Optuna's `SuccessiveHalvingPruner`, with three differences: a report without a
number does not get here (`in_memory_study.py`), nothing is stopped at its last step, and the first
rung may be chosen late and move (`first_rung.py`): because rungs are read from the curves, no value
is misplaced. Some trials that are condemned at their first rung continue nevertheless, to check
whether the rung is right: as many as cost a tenth of all steps trained.

A decision is a function of the trials with their reports, the marks on them, and the first rung.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from tuner.history.learning_curves.early import EarlyRanks
from tuner.history.learning_curves.horizon import declared_horizon
from tuner.proposals.brackets import Brackets, Divider
from tuner.proposals.pruners.first_rung import (
    FirstRung,
    RungCurve,
    Seen,
    choose,
    judge_rung,
    move,
)
from tuner.proposals.pruners.marks import HALVED
from tuner.trials.causes import CAUSE_ATTR

#: One in this many trials continues.
REDUCTION = 3
#: Maximum fraction of all trained steps used by condemned trials that continue.
AUDIT_SHARE = 0.1
AUTO: Literal["auto"] = "auto"


class HalvingPruner(BasePruner):
    """Successive halving, asynchronous.

    Args:
        min_resource: the first rung, or `auto`.
        reduction_factor: one in this many trials continues.
        max_resource: steps of a training, for the brackets; None: those of the longest trial when
            the brackets are made.
        is_hyperband: whether to use brackets.
    """

    def __init__(
        self,
        min_resource: int | Literal["auto"] = AUTO,
        reduction_factor: int = REDUCTION,
        max_resource: int | None = None,
        *,
        is_hyperband: bool = False,
    ) -> None:
        self.is_auto = min_resource == AUTO
        self.factor = reduction_factor
        self._max_resource = max_resource
        self._is_hyperband = is_hyperband
        #: Values shared by all trials of the study.
        self.constants: Mapping[str, Any] = {}
        #: The history's part; None: nothing, or not yet.
        self.early: EarlyRanks | None = None
        #: None: not chosen yet.
        self.rung: FirstRung | None = None
        if min_resource != AUTO:
            self.rung = FirstRung(step=min_resource, kind="given", length=None, why="as given")
        self._divider: Divider | None = None
        self._divide()
        self._lock = threading.Lock()
        #: Curves of ended trials, to which nothing can be added.
        self._curves: dict[int, RungCurve] = {}
        self._known: dict[int, Seen] = {}

    @property
    def brackets(self) -> Brackets | None:
        """How the trials are divided; None: there are no brackets (yet)."""
        return None if self._divider is None else self._divider.brackets

    def take(self, rung: FirstRung) -> None:
        """Use this first rung from now on."""
        with self._lock:
            self.rung = rung
            self._divide()

    def _divide(self) -> None:
        """Create the brackets, once a training's length is known."""
        longest = self._max_resource or (self.rung.length if self.rung is not None else None)
        if not self._is_hyperband or self.rung is None or longest is None:
            return
        brackets = Brackets(
            min_resource=self.rung.step,
            max_resource=max(int(longest), self.rung.step),
            reduction_factor=self.factor,
        )
        self._divider = Divider(brackets)

    def decide(self, study: optuna.Study) -> FirstRung | None:
        """Return the change that ended trials suggest; None: no change."""
        trials = study.get_trials(deepcopy=False)
        with self._lock:
            length, present = self._length(trials), self.rung
            if self.is_auto and (present is None or present.kind != "moved"):
                chosen = choose(length, self.early)
                if present is None or (chosen is not None and chosen.step > present.step):
                    return chosen
            if present is None:
                return None
            if self._is_hyperband and present.length is None and length is not None:
                return dataclasses.replace(present, length=length)
            seen = self._seen(study, trials)
        problem = "" if present.warning else judge_rung(present.step, seen)
        if problem and self.is_auto:
            return move(present, problem, seen, length, self.factor)
        if problem:
            edit = f"tuner edit {study.study_name} pruner.min_resource"
            advice = f"raise it: {edit}={present.step * self.factor}, or {edit}=auto"
            return dataclasses.replace(present, warning=f"{problem}; {advice}")
        return None

    @override
    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether the trial must end; leaves a mark on a condemned one."""
        # Reports arrive in the server's threads; two trials must not be judged at the same time.
        with self._lock:
            mark = trial.system_attrs.get(HALVED)
            if mark is None:
                mark = self._judge(study, trial)
                if mark is None:
                    return False
                study._storage.set_trial_system_attr(trial._trial_id, HALVED, mark)  # noqa: SLF001
            return not mark["audited"]

    def _judge(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any] | None:
        """Return the mark of a trial that is condemned by its last report.

        It is JSON: the pruner and the trial's bracket (None: there are none), the rung, the step of
        the value there, the value, `rank` `of` how many, how many are `kept`, the worst value of
        these (`limit`), whether it is the trial's `first` rung, and whether it is `audited`: it
        continues.
        """
        first = self._first_step(study, trial)
        curve = RungCurve(trial.intermediate_values)
        crossed = [] if first is None else list(_crossed(curve.steps, first, self.factor))
        if not crossed:
            return None
        trials = study.get_trials(deepcopy=False)
        length = self._length_of(trial, self._length(trials))
        if length is not None and curve.last >= length:
            return None
        peers = [t for t in trials if self._first_step(study, t) == first]
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        mine = sign * curve.values[curve.last]
        for rung in crossed:
            found = (self._curve(peer).at(rung) for peer in peers)
            values = sorted(sign * value for value in found if value is not None)
            kept = max(1, len(values) // self.factor)
            if mine > values[kept - 1]:
                is_first = rung == first
                return {
                    "pruner": "hyperband" if self._is_hyperband else "asha",
                    "bracket": self._bracket(study, trial),
                    "rung": rung,
                    "step": curve.last,
                    "value": sign * mine,
                    "limit": sign * values[kept - 1],
                    "rank": 1 + sum(value < mine for value in values),
                    "of": len(values),
                    "kept": kept,
                    "first": is_first,
                    "audited": is_first and self._may_run_on(trials, trial),
                }
        return None

    def _first_step(self, study: optuna.Study, trial: FrozenTrial) -> int | None:
        """Return where a trial is judged first; None if not known yet."""
        if self.rung is None or not self._is_hyperband:
            return None if self.rung is None else self.rung.step
        bracket = self._bracket(study, trial)
        return None if bracket is None else int(self.rung.step * self.factor**bracket)

    def _bracket(self, study: optuna.Study, trial: FrozenTrial) -> int | None:
        return None if self._divider is None else self._divider.bracket(study, trial)

    def _may_run_on(self, trials: Sequence[FrozenTrial], trial: FrozenTrial) -> bool:
        """Whether one more condemned trial may continue; see `AUDIT_SHARE`."""
        usual = self._length(trials)
        length = self._length_of(trial, usual)
        if length is None:
            return False
        trained, cost = 0.0, length - max(trial.intermediate_values)
        for other in trials:
            trained += self._curve(other).last
            mark = other.system_attrs.get(HALVED)
            if mark is not None and mark["audited"]:
                cost += (self._length_of(other, usual) or length) - mark["step"]
        return cost <= AUDIT_SHARE * trained

    def _length(self, trials: Sequence[FrozenTrial]) -> float | None:
        """Return the number of steps of a training; None if not known yet."""
        declared = declared_horizon(self.constants) or self._max_resource
        if declared is not None:
            return float(declared)
        whole = [self._curve(t).last for t in trials if t.state == TrialState.COMPLETE]
        known = self.early.horizon if self.early is not None else None
        return max([*whole, known or 0]) or None

    def _length_of(self, trial: FrozenTrial, usual: float | None) -> float | None:
        return declared_horizon({**self.constants, **trial.params}) or usual

    def _curve(self, trial: FrozenTrial) -> RungCurve:
        known = self._curves.get(trial.number)
        if known is None:
            known = RungCurve(trial.intermediate_values)
            if trial.state.is_finished():
                self._curves[trial.number] = known
        return known

    def _seen(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> list[Seen]:
        """Return the trials that are informative about the first rung."""
        seen = []
        for trial in trials:
            known = self._known.get(trial.number) or self._look(study, trial)
            if known is not None:
                seen.append(known)
        return seen

    def _look(self, study: optuna.Study, trial: FrozenTrial) -> Seen | None:
        # A trial whose parameters made it fail is PRUNED here, with a cause.
        if trial.state == TrialState.FAIL or CAUSE_ATTR in trial.system_attrs:
            return None
        mark = trial.system_attrs.get(HALVED) or {"first": False}
        curve = self._curve(trial)
        has_ended = trial.state.is_finished()
        first = None if has_ended else self._first_step(study, trial)
        if not has_ended and (first is None or curve.last < first):
            return None
        is_whole = trial.state == TrialState.COMPLETE and trial.values
        seen = Seen(
            curve=curve,
            # Both are oriented like the metric: comparing ranks with ranks needs no sign.
            final=trial.values[0] if is_whole else None,
            condemned_at=mark["rung"] if mark["first"] else None,
        )
        if has_ended:
            self._known[trial.number] = seen
        return seen


def _crossed(steps: Sequence[int], first: int, factor: int) -> Iterator[int]:
    """Yield the rungs at which the last of these steps, in order, is the first one."""
    if not steps:
        return
    before = steps[-2] if len(steps) > 1 else 0
    rung = first
    while rung <= steps[-1]:
        if rung > before:
            yield rung
        rung *= factor
