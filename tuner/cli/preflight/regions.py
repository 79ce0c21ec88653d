"""Where in the search space building fails: conditions that hold only there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from tuner.cli.render.output import parameter as shown

Params = Mapping[str, Any]
#: Minimum number of failures in a region; fewer may be together by chance.
_LEAST = 2
#: Maximum number of conditions to combine in pairs: those that most failures share.
_MOST = 60


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A condition on one parameter; false if the parameter is inactive."""

    name: str
    sign: str
    value: Any

    def holds(self, params: Params) -> bool:
        """Whether a configuration meets it."""
        if self.name not in params:
            return False
        if self.sign == "=":
            return bool(params[self.name] == self.value)
        return bool(
            params[self.name] >= self.value
            if self.sign == ">="
            else params[self.name] <= self.value
        )

    @override
    def __str__(self) -> str:
        """The condition in readable form."""
        sign = {">=": "≥", "<=": "≤"}.get(self.sign, self.sign)
        return f"{self.name} {sign} {shown(self.value)}"


@dataclass(frozen=True, kw_only=True)
class Region:
    """A part of the space in which every configuration that was tried fails."""

    bounds: tuple[Bound, ...]
    #: Indices of the failed configurations.
    failed: frozenset[int]

    @override
    def __str__(self) -> str:
        """The conditions in readable form."""
        return " and ".join(map(str, self.bounds))


def find_regions(
    points: Sequence[Params], failed: Sequence[int], sound: Sequence[Params]
) -> tuple[list[Region], list[int]]:
    """Return the simplest regions that hold only failed configurations.

    Args:
        points: configurations.
        failed: indices of those that failed, in the same way.
        sound: configurations that did not fail.

    Returns:
        Regions with one or two conditions, largest first, and the indices that are in none.
    """
    left = set(failed)
    found: list[Region] = []
    while len(left) >= _LEAST:
        best = _best(points, left, sound)
        if best is None:
            break
        found.append(best)
        left -= best.failed
    return found, sorted(left)


def _best(points: Sequence[Params], left: set[int], sound: Sequence[Params]) -> Region | None:
    held = {
        bound: frozenset(index for index in left if bound.holds(points[index]))
        for bound in _bounds([points[index] for index in sorted(left)])
    }
    many = {bound: indices for bound, indices in held.items() if len(indices) >= _LEAST}
    singles = [Region(bounds=(bound,), failed=indices) for bound, indices in many.items()]
    pure = [region for region in singles if not _meets(region.bounds, sound)]
    if not pure:
        shared = sorted(many, key=lambda bound: -len(many[bound]))[:_MOST]
        pairs = (
            Region(bounds=pair, failed=many[pair[0]] & many[pair[1]])
            for pair in itertools.combinations(shared, 2)
            if pair[0].name != pair[1].name
        )
        pure = [
            region
            for region in pairs
            if len(region.failed) >= _LEAST and not _meets(region.bounds, sound)
        ]
    return max(pure, key=lambda region: len(region.failed), default=None)


def _meets(bounds: Sequence[Bound], sound: Sequence[Params]) -> bool:
    return any(all(bound.holds(params) for bound in bounds) for params in sound)


def _bounds(points: Sequence[Params]) -> Iterator[Bound]:
    """Yield every condition with one of the points on its boundary."""
    names = dict.fromkeys(name for params in points for name in params)
    for name in names:
        values = dict.fromkeys(params[name] for params in points if name in params)
        for value in values:
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield Bound(name=name, sign=">=", value=value)
                yield Bound(name=name, sign="<=", value=value)
            else:
                yield Bound(name=name, sign="=", value=value)
