"""How many configurations a space with conditions has, and which parameters can ever be active.

Notation: a *state* is the set of parameters still to come whose conditions have already failed; its
*weight* is the number of ways to get there. One pass over the parameters, parents first, is enough.
Parameters that share no condition are counted apart and multiplied.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.space.parameter import Condition, Parameter
from tuner.space.value import Value, find

#: Beyond this many states at once the conditions are too entangled to be counted.
_MAX_STATES = 20_000

_State = frozenset[str]
_Children = dict[str, list[tuple[str, Condition]]]


@dataclass(frozen=True, kw_only=True)
class Count:
    """Number of configurations (None: infinite, or too entangled) and the parameters in them."""

    total: int | None
    reached: frozenset[str]


def count(parameters: Sequence[Parameter]) -> Count:
    """Count the configurations of `parameters`, which stand parents first."""
    total: int | None = 1
    reached: set[str] = set()
    for group in _groups(parameters):
        found = _count_group(group)
        total = None if total is None or found.total is None else total * found.total
        reached |= found.reached
    return Count(total=total, reached=frozenset(reached))


def _groups(parameters: Sequence[Parameter]) -> list[list[Parameter]]:
    """Return the parameters that conditions connect, each group parents first."""
    group_of: dict[str, list[Parameter]] = {}
    for parameter in parameters:
        parents = [group_of[condition.parent] for condition in parameter.when]
        joined = {id(group): group for group in parents}
        merged = [*itertools.chain.from_iterable(joined.values()), parameter]
        group_of |= {member.name: merged for member in merged}
    return list({id(group): group for group in group_of.values()}.values())


def _count_group(parameters: Sequence[Parameter]) -> Count:
    children: _Children = defaultdict(list)
    for parameter in parameters:
        for condition in parameter.when:
            children[condition.parent].append((parameter.name, condition))
    states: dict[_State, int] = {frozenset(): 1}
    reached: set[str] = set()
    infinite = False
    for parameter in parameters:
        if any(parameter.name not in state for state in states):
            reached.add(parameter.name)
            infinite = infinite or parameter.size is None
        states = _step(parameter, children[parameter.name], states)
        if len(states) > _MAX_STATES:
            return Count(total=None, reached=frozenset(item.name for item in parameters))
    return Count(total=None if infinite else sum(states.values()), reached=frozenset(reached))


def _step(
    parameter: Parameter, children: list[tuple[str, Condition]], states: dict[_State, int]
) -> dict[_State, int]:
    """Return the states after `parameter` got each of its values, or stayed inactive."""
    after: dict[_State, int] = defaultdict(int)
    classes = _classes(parameter, children)
    everyone = frozenset(name for name, _ in children)
    for state, weight in states.items():
        rest = state - {parameter.name}
        if parameter.name in state:
            after[rest | everyone] += weight
            continue
        for failed, number in classes.items():
            after[rest | failed] += weight * number
    return after


def _classes(parameter: Parameter, children: list[tuple[str, Condition]]) -> dict[_State, int]:
    """Return the values of `parameter` by the children that they make inactive, with their number.

    A wide range costs nothing: the values that no condition names are one class.
    """
    named: list[Value] = []
    for _, condition in children:
        named += [value for value in condition.values if find(value, named) is None]
    classes: dict[_State, int] = defaultdict(int)
    for value in named:
        classes[frozenset(name for name, item in children if find(value, item.values) is None)] += 1
    # An infinite parameter is counted once: the caller has noted that the total is infinite.
    rest = 1 if parameter.size is None else parameter.size - len(named)
    if rest > 0:
        classes[frozenset(name for name, _ in children)] += rest
    return classes
