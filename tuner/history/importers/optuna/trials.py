"""Optuna's trials, from any storage, as runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuner.history.importers.declared import checked_space
from tuner.history.importers.folders import stamp_of
from tuner.history.importers.source import newer_stamp
from tuner.history.matching.metric import is_measurement
from tuner.history.matching.outcomes import CONSTRAINT
from tuner.history.store.cleaning import (
    clean_curves,
    clean_key,
    clean_metrics,
    clean_params,
    finite,
)
from tuner.history.store.imported import OUTCOMES, Facts, ImportedRun, Options
from tuner.history.store.records import Goal, HistoricTrial, State
from tuner.space import Parameter
from tuner.space.optuna import from_distribution
from tuner.space.value import Value, is_value
from tuner.trials.causes import CAUSE_ATTR

#: The system attribute in which Optuna stores the argument of `set_metric_names`.
METRIC_NAMES = "study:metric_names"
#: The same for a trial's constraints, met where at most 0: a list, or each in an attribute of its
#: own, with the name after a colon.
_CONSTRAINTS = "constraints"


class OptunaTrial(Protocol):
    """The attributes of a trial that are read; Optuna's `FrozenTrial` has them."""

    number: int
    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    intermediate_values: dict[int, float]
    user_attrs: dict[str, Any]
    system_attrs: dict[str, Any]
    values: Any
    datetime_start: datetime | None
    datetime_complete: datetime | None


class OptunaConverter:
    """Converts the trials of one study to runs, and collects what they have in common.

    Args:
        directions: of the study: "MAXIMIZE", "MINIMIZE" or something else.
        metric_names: the study's names of its metrics, or empty.
        options: the user's options; they name the metrics if the study does not.
    """

    def __init__(
        self,
        directions: Sequence[str],
        metric_names: object,
        user_attrs: Mapping[str, object],
        options: Options,
    ) -> None:
        self._options = options
        self._names = _metric_names(len(directions), metric_names, options)
        goals: list[Goal | None] = [_goal(direction) for direction in directions]
        self._metrics: dict[str, Goal | None] = dict(zip(self._names, goals, strict=True))
        self._constants = clean_params(dict(user_attrs))
        self._distributions: dict[str, BaseDistribution] = {}
        self._notes: dict[str, None] = {}
        self._violated = 0

    def run(self, trial: OptunaTrial, state: str) -> ImportedRun:
        """Return an ended trial as a run."""
        for name, distribution in trial.distributions.items():
            self._note_distribution(name, distribution)
        self._metrics |= {
            name: None
            for name, value in _beside(trial).items()
            if name not in self._metrics and (is_measurement(name, value) or self._is_named(name))
        }
        found = historic_trial(trial, state, self._names)
        self._violated += found.cause == CONSTRAINT
        return ImportedRun(trial=found, stamp=trial_stamp(state, trial.datetime_complete))

    @property
    def distributions(self) -> Mapping[str, BaseDistribution]:
        """The distributions of the converted trials, by parameter name."""
        return self._distributions

    def _is_named(self, name: str) -> bool:
        return name in self._options.metrics

    def facts(self) -> Facts:
        """Return what the converted trials have in common."""
        parameters: list[Parameter] = []
        for name, distribution in self._distributions.items():
            try:
                parameters.append(from_distribution(name, distribution))
            except ValueError as exc:
                self._notes[str(exc)[:200]] = None
        space, notes = checked_space(parameters)
        if self._violated:
            what = "trial violates" if self._violated == 1 else "trials violate"
            notes.append(f"{self._violated} {what} a constraint: infeasible")
        constants = {**self._constants, **(space.fixed_values if space else {})}
        return Facts(
            metrics={
                **self._metrics,
                **{n: g for n, g in self._options.by_name.items() if g and n in self._metrics},
            },
            parameters=list(self._distributions),
            space=None if space is None else space.to_json(),
            constants={name: value for name, value in constants.items() if is_value(value)},
            notes=[*self._notes, *notes][:20],
            options=self._options.to_json(),
        )

    def _note_distribution(self, name: str, new: BaseDistribution) -> None:
        old = self._distributions.get(name)
        if old is None:
            self._distributions[name] = new
        elif old != new:
            self._distributions[name] = _both(old, new)


def historic_trial(trial: OptunaTrial, state: str, names: Sequence[str]) -> HistoricTrial:
    """Return an ended trial as a historic run.

    Args:
        trial: the trial from its storage.
        state: Optuna's name of its state, a key of `OUTCOMES`.
        names: names of the study's metrics, the reported one first.
    """
    values = dict(zip(names, trial.values or (), strict=False))
    if state == "PRUNED" and trial.intermediate_values:
        values = {names[0]: trial.intermediate_values[max(trial.intermediate_values)]}
    beside = {name: value for name, value in _beside(trial).items() if name not in values}
    outcome: State = OUTCOMES[state]
    cause = trial.system_attrs.get(CAUSE_ATTR)
    if cause is not None:
        outcome = "fail"
    elif is_infeasible(trial.system_attrs) and outcome != "fail":
        outcome, cause = "fail", CONSTRAINT
    elif outcome == "complete" and values and all(finite(v) is None for v in values.values()):
        outcome, cause = "fail", "diverged"
    return HistoricTrial(
        key=trial_key(trial.number),
        params=clean_params(trial.params),
        metrics=clean_metrics({**beside, **values}),
        curves=clean_curves({names[0]: list(trial.intermediate_values.items())}),
        state=outcome,
        cause=None if cause is None else str(cause),
        started=_seconds(trial.datetime_start),
        finished=_seconds(trial.datetime_complete),
    )


def _beside(trial: OptunaTrial) -> dict[str, Any]:
    """Return the numbers among a trial's user attributes."""
    return {name: value for name, value in trial.user_attrs.items() if finite(value) is not None}


def trial_key(number: int) -> str:
    """Return the key of a trial; keys sort like the numbers."""
    return clean_key(f"{number:07d}")


def trial_stamp(state: str, completed: object) -> str:
    """Return the stamp of a trial: an ended one no longer changes."""
    return newer_stamp(stamp_of((state, str(completed))))


def is_infeasible(attrs: Mapping[str, Any]) -> bool:
    """Whether the system attributes of a trial say that it violates a constraint.

    As in Optuna, a constraint that is not a number is violated, and one not computed is unknown.
    """
    values: list[object] = []
    for key, value in attrs.items():
        if key == _CONSTRAINTS or key.startswith(f"{_CONSTRAINTS}:"):
            values += value if isinstance(value, list | tuple) else [value]
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    return any(not number <= 0 for number in numbers)


def _both(old: BaseDistribution, new: BaseDistribution) -> BaseDistribution:
    """Return a distribution that covers the old and the new meaning of a name."""
    if isinstance(old, CategoricalDistribution) and isinstance(new, CategoricalDistribution):
        choices = [*old.choices, *(c for c in new.choices if c not in old.choices)]
        return CategoricalDistribution(choices)
    if isinstance(old, IntDistribution) and isinstance(new, IntDistribution):
        low, high = min(old.low, new.low), max(old.high, new.high)
        return IntDistribution(low, high, log=new.log)
    if isinstance(old, FloatDistribution) and isinstance(new, FloatDistribution):
        return FloatDistribution(min(old.low, new.low), max(old.high, new.high), log=new.log)
    return new


def _metric_names(count: int, given: object, options: Options) -> list[str]:
    if isinstance(given, list) and len(given) == count and all(isinstance(n, str) for n in given):
        return given
    if len(options.metrics) == count:
        return list(options.metrics)
    return ["value"] if count == 1 else [f"value_{index}" for index in range(count)]


def _goal(direction: str) -> Goal | None:
    goals: dict[str, Goal] = {"MAXIMIZE": "maximize", "MINIMIZE": "minimize"}
    return goals.get(direction)


def _seconds(moment: datetime | None) -> float | None:
    """Return a time; Optuna's databases hold naive ones in UTC, its objects in local time."""
    try:
        return None if moment is None else moment.timestamp()
    except (ValueError, OverflowError):
        return None


def parse_utc(moment: object) -> datetime | None:
    """Return a time from a database, where it is naive and in UTC, or a text in SQLite."""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return None
    return moment.replace(tzinfo=UTC) if isinstance(moment, datetime) else None


def parse_attr(text: object) -> Value | list[Any] | None:
    """Return the value of an attribute, None if it is not JSON."""
    try:
        value: Value | list[Any] | None = json.loads(str(text))
    except ValueError:
        return None
    return value
