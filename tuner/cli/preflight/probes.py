"""Which configurations a preflight builds: corners of the search space, and random ones."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tuner.space import Parameter, SearchSpace
from tuner.space.axis import Axis
from tuner.space.value import Value

#: Maximum number of corners; with many parameters: the lowest, the highest and mixtures of both.
MAX_CORNERS = 16
#: Number of draws for each configuration before a space counts as almost entirely forbidden.
_TRIES = 20


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One configuration to build."""

    kind: Literal["corner", "random"]
    params: dict[str, Any]


def choose_probes(space: SearchSpace, count: int) -> list[Probe]:
    """Return different configurations that are not forbidden; deterministic.

    Args:
        space: the search space; without parameters it has one configuration.
        count: number of random configurations.
    """
    source = random.Random(0)  # noqa: S311 - the same check builds the same configurations  # nosec B311  # no secret
    seen: dict[str, Probe] = {}

    def add(kind: Literal["corner", "random"], choose: Callable[[Parameter], Value]) -> None:
        params = space.walk(choose)
        if not space.is_forbidden(params):
            seen.setdefault(space.key(params), Probe(kind=kind, params=params))

    for corner in _corners(space, source):
        add("corner", corner)
    wanted = len(seen) + count
    for _ in range(_TRIES * count):
        if len(seen) >= wanted:
            break
        add("random", lambda parameter: _draw(parameter, source))
    return list(seen.values())


def _corners(space: SearchSpace, source: random.Random) -> Iterator[Callable[[Parameter], Value]]:
    """Yield functions that choose the lowest or highest value of each parameter."""
    ends = [p.name for p in space.parameters if p.kind != "fixed" and (p.size or 2) > 1]

    def corner(high: frozenset[str]) -> Callable[[Parameter], Value]:
        return lambda parameter: _end(parameter, is_high=parameter.name in high)

    if 2 ** len(ends) <= MAX_CORNERS:
        for signs in itertools.product((False, True), repeat=len(ends)):
            yield corner(frozenset(itertools.compress(ends, signs)))
        return
    yield corner(frozenset())
    yield corner(frozenset(ends))
    for _ in range(MAX_CORNERS - 2):
        yield corner(frozenset(name for name in ends if source.random() < 0.5))


def _end(parameter: Parameter, *, is_high: bool) -> Value:
    if parameter.values:
        return parameter.values[-1 if is_high else 0]
    return parameter.bounds[is_high]


def _draw(parameter: Parameter, source: random.Random) -> Value:
    if parameter.size is not None:
        return parameter.at(source.randrange(parameter.size))
    return Axis(parameter).value(source.random())
