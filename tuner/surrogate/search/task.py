"""Where to search: the space, what is taken and fixed, and which points to look around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tuner.surrogate.columns import Columns, Flags, Floats

#: Two points closer than this in every column are the same place: a second trial there, while the
#: first is running, would teach nothing.
_BESIDE = 0.01


class Grounds(Protocol):
    """The space as seen by the search: `tuner.space.encoding.Encoding`."""

    columns: Columns

    def canonical(self, x: Floats) -> Floats:
        """Return points with grid entries snapped and conditions applied."""

    def allowed(self, x: Floats) -> Flags:
        """Return which canonical points contain no forbidden combination."""

    def sample(self, n: int, seed: int) -> Floats:
        """Return points that fill the space."""

    def values(self, column: int) -> Floats:
        """Return the possible entries of a grid or a choice."""


class Taken:
    """Points that must not be proposed again, and running ones, including their surroundings.

    Args:
        x: canonical points that were tried, shape (n, d).
        running: canonical points that are being tried, shape (p, d).
    """

    def __init__(self, columns: Columns, x: Floats, running: Floats) -> None:
        self._columns = columns
        self._keys = set(_keys(np.concatenate([x, running])))
        self._running = columns.fill(running)

    def free(self, x: Floats) -> Flags:
        """Return which canonical points are neither taken nor near a running one, shape (m,)."""
        found = np.array([key not in self._keys for key in _keys(x)], dtype=bool)
        if len(self._running) and "real" in self._columns.kinds:
            here = self._columns.fill(x)
            for point in self._running:
                found &= np.abs(here - point).max(axis=1) >= _BESIDE
        return found


def _keys(x: Floats) -> list[bytes]:
    # + 0.0 makes -0.0 equal to 0.0.
    rounded = np.ascontiguousarray(np.round(np.nan_to_num(x, nan=-9.0), 9) + 0.0)
    return [row.tobytes() for row in rounded]


@dataclass(frozen=True, eq=False)
class SearchTask:
    """Where to search.

    `best` are canonical points to look around, best first, shape (k, d). `pins` are columns with a
    fixed value where they are active. `pool` is the number of points that are spread over the space
    at the start.
    """

    grounds: Grounds
    taken: Taken
    best: Floats
    seed: int
    pins: Mapping[int, float]
    pool: int = 1024

    def walk(self, x: Floats) -> Floats:
        """Return canonical `x`, with the pinned entries."""
        x = x.copy()
        for column, value in self.pins.items():
            x[:, column] = value
        return self.grounds.canonical(x)

    def open(self, x: Floats) -> Flags:
        """Return which canonical points, shape (n, columns), may be proposed: shape (n,)."""
        return self.grounds.allowed(x) & self.taken.free(x)
