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
from tuner.space.value import Choices

#: Beyond this many states at once, or steps from one to the next in all, the conditions are too
#: entangled to be counted: they would take memory and seconds.
_MAX_STATES = 5_000
_MAX_STEPS = 2_000_000

#: One bit per parameter.
_State = int
_Child = tuple[_State, Condition]


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
    bits = {parameter.name: 1 << index for index, parameter in enumerate(parameters)}
    children: dict[str, list[_Child]] = defaultdict(list)
    for parameter in parameters:
        for condition in parameter.when:
            children[condition.parent].append((bits[parameter.name], condition))
    states: dict[_State, int] = {0: 1}
    reached: set[str] = set()
    infinite = False
    steps = 0
    for parameter in parameters:
        bit = bits[parameter.name]
        if any(not state & bit for state in states):
            reached.add(parameter.name)
            infinite = infinite or parameter.size is None
        below = children[parameter.name]
        classes = _classes(parameter, below)
        steps += len(states) * len(classes)
        if steps <= _MAX_STEPS:
            states = _step(bit, sum(child for child, _ in below), classes, states)
        if steps > _MAX_STEPS or len(states) > _MAX_STATES:
            return Count(total=None, reached=frozenset(bits))
    return Count(total=None if infinite else sum(states.values()), reached=frozenset(reached))


def _step(
    bit: _State, children: _State, classes: dict[_State, int], states: dict[_State, int]
) -> dict[_State, int]:
    """Return the states after the parameter `bit` got each of its values, or stayed inactive."""
    after: dict[_State, int] = defaultdict(int)
    for state, weight in states.items():
        if state & bit:
            after[state & ~bit | children] += weight
            continue
        for failed, number in classes.items():
            after[state | failed] += weight * number
        if len(after) > _MAX_STATES:
            break
    return after


def _classes(parameter: Parameter, children: list[_Child]) -> dict[_State, int]:
    """Return the values of `parameter` by the children that they make inactive, with their number.

    A wide range costs nothing: the values that no condition names are one class.
    """
    named = Choices(value for _, condition in children for value in condition.values)
    classes: dict[_State, int] = defaultdict(int)
    for value in named.all():
        classes[sum(bit for bit, item in children if item.choices.find(value) is None)] += 1
    # An infinite parameter is counted once: the caller has noted that the total is infinite.
    rest = 1 if parameter.size is None else parameter.size - len(named)
    if rest > 0:
        classes[sum(bit for bit, _ in children)] += rest
    return classes
