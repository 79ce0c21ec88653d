"""A study's trials as arrays: what was observed, what failed, what is still running."""

from __future__ import annotations

import math
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuner.history.learning_curves.horizon import declared_horizon
from tuner.samplers.bayesian.space.adapter import OptunaSpaceAdapter
from tuner.samplers.bayesian.stopping.curve import ProgressCurve, finite_reports
from tuner.samplers.bayesian.stopping.durations import durations
from tuner.samplers.bayesian.stopping.ends import Ends, expected_ends
from tuner.samplers.bayesian.stopping.timely import Timely, timely
from tuner.surrogate.columns import Flags, Floats, Numbers
from tuner.surrogate.history.foretelling import Foretelling
from tuner.surrogate.search.acquisition import LogFeasibility
from tuner.surrogate.warp import Scale
from tuner.trials.causes import CAUSE_ATTR

#: The attribute in which Optuna's `RetryFailedTrialCallback` records which trials a new one
#: retries.
_TRIED_AGAIN = "retry_history"

#: Points of trials, by trial number.
Points = dict[int, Floats]


@dataclass(frozen=True, eq=False)
class Observations:
    """Everything that a proposal depends on, apart from the space, the history and the seed.

    Rows of `x` are canonical points; every array of the first group has n rows, in the order of
    the trials' numbers.
    """

    #: Points with a value for each objective, smaller is better: (n, d) and (n, objectives).
    x: Floats
    y: Floats
    #: Variance of each value in addition to the noise, in units of z, shape (n,).
    extra: Floats
    #: Transforms `y` back to objective values where `y` is already z because some trials were
    #: stopped; otherwise None.
    scale: Scale | None
    #: The probability of passing a pruner's rungs, when no recent trial has.
    hurdles: LogFeasibility | None
    #: The model of durations; None without a time limit, or while all trials stay far below it.
    timely: Timely | None
    #: Numbers of these trials.
    numbers: Numbers
    #: Points of ended trials, (f, d); which of them failed because of their configuration, (f,);
    #: and their constraints, (f, c): met where at most 0, NaN where unknown.
    judged_x: Floats
    broken: Flags
    #: Which of the broken ones took too long, as the durations of other trials confirm, (f,).
    overdue: Flags
    limits: Floats
    #: Which rows of `x` are feasible, shape (n,).
    feasible: Flags
    #: Points of running trials, (p, d), and their numbers.
    pending: Floats
    pending_numbers: tuple[int, ...]
    #: Points of all trials, whatever their state.
    taken: Floats

    @property
    def finals(self) -> Floats:
        """The values of the trials that were not stopped, smaller is better, (n, objectives)."""
        if self.scale is None:
            return self.y
        return self.scale.value(self.y[self.extra == 0.0])

    @property
    def told(self) -> int:
        """The number of trials that have reported or ended."""
        return len(self.judged_x)


class ObservationReader:
    """Reads the trials of one study.

    Args:
        dialect: translates between the study's parameters and points.
        directions: the direction of each objective.
        points: cache of the points of ended trials; may be empty.
        memory: cache of the expected final values of stopped trials; may be empty, only saves time.
        foretelling: how well intermediate values predict final ones, according to history.
        limit_s: the time limit of a trial in seconds; None: no limit.
    """

    def __init__(
        self,
        dialect: OptunaSpaceAdapter,
        directions: Sequence[StudyDirection],
        points: Points,
        memory: MutableMapping[str, Any] | None = None,
        foretelling: Foretelling | None = None,
        limit_s: float | None = None,
    ) -> None:
        self._dialect = dialect
        self._signs = np.array([-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in directions])
        self._points = points
        self._memory = memory
        self._foretelling = foretelling
        self._limit_s = limit_s

    def read(self, trials: Sequence[FrozenTrial], current: int) -> Observations:
        """Return the observations of all trials except number `current`."""
        others = [t for t in sorted(trials, key=lambda t: t.number) if t.number != current]
        place = {t.number: self._point(t) for t in others}
        kept, y, extra, ends = self._values(others, place)
        valued = {t.number for t in kept}
        again = {number for t in others for number in t.system_attrs.get(_TRIED_AGAIN, ())}
        broken = {t.number for t in others if is_broken(t)} - again
        judged = [t for t in others if t.number in valued or t.number in broken]
        names = sorted({n for t in judged for n, v in t.constraints.items() if math.isfinite(v)})
        limits = [[_finite(t.constraints.get(name, math.nan)) for name in names] for t in judged]
        pending = [t for t in others if t.state in (TrialState.RUNNING, TrialState.WAITING)]
        pending = [t for t in pending if not np.isnan(place[t.number]).all()]
        in_time = self._timely(others, place)
        explained = frozenset() if in_time is None else in_time.explained
        return Observations(
            x=self._stack(kept, place),
            y=y,
            extra=extra,
            scale=None if ends is None else ends.scale,
            hurdles=None if ends is None else ends.hurdles,
            timely=in_time,
            numbers=np.array([t.number for t in kept], dtype=np.int64),
            judged_x=self._stack(judged, place),
            broken=np.array([t.number in broken for t in judged], dtype=bool),
            overdue=np.array([t.number in broken & explained for t in judged], dtype=bool),
            limits=np.array(limits, dtype=float).reshape(len(judged), len(names)),
            feasible=np.array([_is_feasible(t) for t in kept], dtype=bool),
            pending=self._stack(pending, place),
            pending_numbers=tuple(t.number for t in pending),
            taken=self._stack(others, place),
        )

    def _timely(self, trials: Sequence[FrozenTrial], place: dict[int, Floats]) -> Timely | None:
        if self._limit_s is None:
            return None
        known = durations(trials, self._limit_s, self._declared)
        x = np.array([place[number] for number in known.numbers])
        columns = self._dialect.encoding.columns
        return timely(columns, x.reshape(len(x), len(self._dialect.encoding)), known, self._memory)

    def _declared(self, trial: FrozenTrial) -> float | None:
        return declared_horizon(self._dialect.encoding.decode(self._point(trial)))

    def _stack(self, trials: Sequence[FrozenTrial], place: dict[int, Floats]) -> Floats:
        rows = [place[t.number] for t in trials]
        return np.array(rows).reshape(len(rows), len(self._dialect.encoding))

    def _point(self, trial: FrozenTrial) -> Floats:
        found = self._points.get(trial.number)
        if found is None:
            params = trial.params
            if trial.state == TrialState.WAITING:
                params = trial.system_attrs.get("fixed_params", {})
            found = self._dialect.point(params, trial.distributions)
            if trial.state.is_finished():
                self._points[trial.number] = found
        return found

    def _values(
        self, trials: Sequence[FrozenTrial], place: dict[int, Floats]
    ) -> tuple[list[FrozenTrial], Floats, Floats, Ends | None]:
        """Return the trials that have a value, the values, their variances, and expected ends."""
        complete = {t.number for t in trials if t.state == TrialState.COMPLETE and _is_finite(t)}
        if len(self._signs) == 1:
            found = self._with_stopped(trials, complete, place)
            if found is not None:
                return found
        kept = [t for t in trials if t.number in complete]
        y = np.array([self._signs * np.array(t.values) for t in kept])
        return kept, y.reshape(len(kept), len(self._signs)), np.zeros(len(kept)), None

    def _with_stopped(
        self, trials: Sequence[FrozenTrial], complete: set[int], place: dict[int, Floats]
    ) -> tuple[list[FrozenTrial], Floats, Floats, Ends] | None:
        """Return the same including expected values of stopped trials; None if none was stopped."""
        sign = float(self._signs[0])
        kept, curves = [], []
        for trial in trials:
            is_complete = trial.number in complete
            if is_complete or (trial.state == TrialState.PRUNED and not is_broken(trial)):
                final = sign * trial.values[0] if is_complete else None
                curve = ProgressCurve(trial.number, finite_reports(trial, sign), final)
                if curve.reports or is_complete:
                    kept.append(trial)
                    curves.append(curve)
        columns = self._dialect.encoding.columns
        x = self._stack(kept, place)
        ends = expected_ends(columns, x, curves, self._memory, self._foretelling)
        return None if ends is None else (kept, ends.z[:, None], ends.extra, ends)


def is_broken(trial: FrozenTrial) -> bool:
    """Whether an ended trial failed because of its configuration, and has nothing else to tell.

    A FAIL from an Optuna script (NaN, or an exception that the script lets pass) counts. A FAIL
    with a cause comes from the service, which presents the failures that count as pruned trials
    with a violated constraint.
    """
    if trial.state == TrialState.FAIL:
        return bool(trial.params) and CAUSE_ATTR not in trial.system_attrs
    if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
        return False
    if not all(v < math.inf for v in trial.constraints.values()):  # NaN is not below infinity
        return True
    return trial.state == TrialState.COMPLETE and not _is_finite(trial)


def _is_finite(trial: FrozenTrial) -> bool:
    return all(math.isfinite(value) for value in trial.values)


def _is_feasible(trial: FrozenTrial) -> bool:
    return all(value <= 0 for value in trial.constraints.values())


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan
