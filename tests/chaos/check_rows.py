"""What the database must hold of a study that has ended, whatever happened meanwhile."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from optuna.trial import TrialState

from tests.chaos.rows import ENDED, StudyRows
from tuner.space import SearchSpace
from tuner.space.optuna import to_optuna
from tuner.trials.causes import POLICIES

_STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "fail": "FAIL"}


def check_rows(rows: StudyRows, space: SearchSpace, *, budget: int, retries: int) -> Iterator[str]:
    """Yield what is wrong with a finished study.

    Args:
        rows: of the study.
        space: its search space.
        budget: trials that count.
        retries: of a trial.
    """
    if rows.has_gaps:
        yield f"numbers have gaps: {[trial.number for trial in rows.trials]}"
        return
    if rows.study.state != "finished":
        yield f"the study is {rows.study.state}: {rows.study.reason}"
    if rows.study.next_number != len(rows.trials):
        yield f"next number {rows.study.next_number} after {len(rows.trials)} trials"
    yield from _check_budget(rows, budget)
    yield from _check_configurations(rows, space)
    yield from _check_tells(rows)
    for trial in rows.trials:
        for problem in _check_trial(rows, trial, retries):
            yield f"trial {trial.number}: {problem}"
    yield from _check_optuna(rows, space)


def check_values(
    rows: StudyRows,
    value: Callable[[Mapping[str, Any]], float],
    curve: Callable[[Mapping[str, Any], int], float],
) -> Iterator[str]:
    """Yield every stored number that does not follow from its trial's parameters."""
    params = [rows.params(trial) for trial in rows.trials]
    for trial in rows.trials:
        if trial.state == "complete" and trial.objective != value(params[trial.number]):
            yield f"trial {trial.number}: {trial.objective} is not {value(params[trial.number])}"
    for number, reports in rows.reports.items():
        for (no, step), found in reports.items():
            if found != curve(params[number], step):
                yield f"attempt {number}-a{no} step {step}: {found} was never reported"


def best(rows: StudyRows, goal: str) -> float | None:
    """Return the best objective among the complete trials."""
    values = [trial.objective for trial in rows.trials if trial.state == "complete"]
    return (max(values) if goal == "maximize" else min(values)) if values else None


def _check_budget(rows: StudyRows, budget: int) -> Iterator[str]:
    used = sum(trial.counted for trial in rows.trials if trial.state in ENDED)
    if used != budget:
        yield f"the budget is {budget} trials, {used} count"
    for trial in rows.trials:
        counts = trial.cause is None or POLICIES[trial.cause].counted
        # What is dropped at the end of a study never ran to its end.
        if trial.counted != counts and trial.cause != "cancelled":
            yield f"trial {trial.number}: {trial.cause} counts: {trial.counted}"


def _check_configurations(rows: StudyRows, space: SearchSpace) -> Iterator[str]:
    seen: dict[str, int] = {}
    for trial in rows.trials:
        params = rows.params(trial)
        if problems := space.problems(params):
            yield f"trial {trial.number}: {problems}"
        first = seen.setdefault(space.key(params), trial.number)
        if first != trial.number:
            yield f"trial {trial.number} repeats the configuration of trial {first}"


def _check_tells(rows: StudyRows) -> Iterator[str]:
    told = sorted(trial.told or 0 for trial in rows.trials)
    if told != list(range(1, len(told) + 1)):
        yield f"told in the order {told}"
    if rows.study.told != len(told):
        yield f"{rows.study.told} tells for {len(told)} trials"


def _check_trial(rows: StudyRows, trial: sa.Row[Any], retries: int) -> Iterator[str]:
    attempts = rows.attempts[trial.number]
    if trial.state not in ENDED:
        yield f"has no outcome: {trial.state}"
        return
    if [attempt.no for attempt in attempts] != list(range(1, len(attempts) + 1)):
        yield f"attempts {[attempt.no for attempt in attempts]}"
    if live := [a.id for a in attempts if a.state in ("ready", "leased")]:
        yield f"is {trial.state}, and {live} may still run"
    outcomes = [a for a in attempts if a.id == trial.outcome_attempt]
    dropped = trial.state == "fail" and trial.cause == "cancelled"
    if len(outcomes) != (0 if dropped else 1):
        yield f"is {trial.state} ({trial.cause}) by {trial.outcome_attempt}"
    told = Counter(kind for kind in rows.events[trial.number] if kind in _OUTCOME_EVENTS)
    if sum(told.values()) > 1 or (not dropped and told != {f"trial-{trial.state}": 1}):
        yield f"is {trial.state} and had the outcomes {dict(told)}"
    yield from _check_outcome(rows, trial, outcomes, retries)


_OUTCOME_EVENTS = frozenset(f"trial-{state}" for state in ENDED)


def _check_outcome(
    rows: StudyRows, trial: sa.Row[Any], outcomes: list[sa.Row[Any]], retries: int
) -> Iterator[str]:
    values = json.loads(trial.values_json or "[]")
    if trial.state == "complete" and not (
        values == [trial.objective] and math.isfinite(trial.objective)
    ):
        yield f"is complete with {values}, objective {trial.objective}"
    if trial.state == "pruned" and trial.objective != rows.last_report(trial):
        yield f"is pruned with {trial.objective}, last report {rows.last_report(trial)}"
    if trial.state == "fail" and (values or trial.objective is not None):
        yield f"failed and has the values {values}"
    if outcomes and outcomes[0].cause != trial.cause:
        yield f"failed of {trial.cause}, its attempt of {outcomes[0].cause}"
    machine = [a.cause for a in rows.attempts[trial.number] if a.cause in ("lost", "rejected")]
    if trial.cause in ("lost", "rejected") and len(machine) <= retries:
        yield f"gave up after {machine}, with {retries} retries"


def _check_optuna(rows: StudyRows, space: SearchSpace) -> Iterator[str]:
    if len(rows.optuna) != len(rows.trials):
        yield f"Optuna has {len(rows.optuna)} trials, we have {len(rows.trials)}"
        return
    for ours, theirs in zip(rows.trials, rows.optuna, strict=True):
        params = {name: to_optuna(space[name], value) for name, value in rows.params(ours).items()}
        expected = (ours.number, _STATES.get(ours.state), params, _values(ours))
        found = (theirs.number, theirs.state.name, theirs.params, theirs.values)
        if expected != found:
            yield f"Optuna has {found}, we have {expected}"
        if theirs.state == TrialState.COMPLETE and not _same_curve(rows, ours, theirs):
            yield f"trial {ours.number}: Optuna has the curve {theirs.intermediate_values}"


def _values(trial: sa.Row[Any]) -> list[float] | None:
    return (json.loads(trial.values_json or "[]") if trial.state != "fail" else None) or None


def _same_curve(rows: StudyRows, ours: sa.Row[Any], theirs: Any) -> bool:
    # A successor begins again, so what it reports last counts.
    curve = {step: found for (_, step), found in sorted(rows.reports[ours.number].items())}
    return set(theirs.intermediate_values.items()) <= set(curve.items())
