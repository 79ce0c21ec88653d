"""Which parameters depend on others, learned from the trials of a study that declares no space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from optuna.trial import FrozenTrial

from tuner.space import Condition, Parameter, Value

#: Maximum number of values of a parent.
_MOST_VALUES = 32

#: One trial: the value of each parameter that it had.
_Row = dict[str, Value]


def learn_conditions(
    parameters: Sequence[Parameter], trials: Sequence[FrozenTrial], by_index: frozenset[str]
) -> list[Parameter]:
    """Return the parameters with the conditions that the trials support.

    A parameter that only some trials had is active for those values of one other parameter that it
    occurred with. It must never have occurred without one of them, nor been absent with one.

    Args:
        parameters: the parameters, without conditions.
        trials: ended trials only; running ones may still request more parameters.
        by_index: names of parameters whose values are indices of Optuna's choices.
    """
    rows = [_row(trial, by_index) for trial in trials if trial.state.is_finished() and trial.params]
    always = {p.name for p in parameters if all(p.name in row for row in rows)}
    parents = [p for p in parameters if p.kind != "float" and (p.size or 0) <= _MOST_VALUES]
    found, placed = [p for p in parameters if p.name in always], set(always)
    waiting = [p for p in parameters if p.name not in always]
    while waiting:
        ready = [
            (p, condition)
            for p in waiting
            for condition in [_condition(p, [q for q in parents if q.name in placed], rows)]
            if condition is not None
        ]
        if not ready:
            break
        found += [replace(p, when=(condition,)) for p, condition in ready]
        placed |= {p.name for p, _ in ready}
        waiting = [p for p in waiting if p.name not in placed]
    return found + waiting


def _row(trial: FrozenTrial, by_index: frozenset[str]) -> _Row:
    return {
        name: int(trial.distributions[name].to_internal_repr(value)) if name in by_index else value
        for name, value in trial.params.items()
    }


def _condition(
    parameter: Parameter, parents: Sequence[Parameter], rows: Sequence[_Row]
) -> Condition | None:
    for parent in parents:
        present = [row for row in rows if parameter.name in row]
        absent = [row for row in rows if parameter.name not in row]
        if not all(parent.name in row for row in present):
            continue
        values = {row[parent.name] for row in present}
        if values and not any(row.get(parent.name) in values for row in absent):
            known = tuple(sorted(values, key=str))
            return Condition(parent=parent.name, values=known)
    return None
