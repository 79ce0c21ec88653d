"""Where a search looks: the space, what is taken and given, and what is worth looking around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tuner.surrogate.columns import Columns, Flags, Floats

#: Two points nearer than this in every column are one place: a second trial there, while the first
#: runs, would teach nothing.
_BESIDE = 0.01


class Grounds(Protocol):
    """The space as the search sees it: `tuner.space.encoding.Encoding`."""

    columns: Columns

    def canonical(self, x: Floats) -> Floats:
        """Return points with grids snapped and conditions walked."""
        ...

    def allowed(self, x: Floats) -> Flags:
        """Return which canonical points hold no forbidden combination."""
        ...

    def sample(self, n: int, seed: int) -> Floats:
        """Return points that fill the space."""
        ...

    def values(self, column: int) -> Floats:
        """Return the entries that a grid or choice can have."""
        ...


class Taken:
    """Points that may not be proposed again, and running ones, whose neighbours may not either.

    Args:
        x: canonical points that were tried, shape (n, d).
        running: canonical points that are being tried, shape (p, d).
    """

    def __init__(self, columns: Columns, x: Floats, running: Floats) -> None:
        self._columns = columns
        self._keys = set(_keys(np.concatenate([x, running])))
        self._running = columns.fill(running)

    def free(self, x: Floats) -> Flags:
        """Return which canonical points are neither taken nor beside a running one, shape (m,)."""
        found = np.array([key not in self._keys for key in _keys(x)], dtype=bool)
        if len(self._running) and "real" in self._columns.kinds:
            here = self._columns.fill(x)
            for point in self._running:
                found &= np.abs(here - point).max(axis=1) >= _BESIDE
        return found


def _keys(x: Floats) -> list[bytes]:
    # + 0.0 makes -0.0 the same as 0.0.
    rounded = np.ascontiguousarray(np.round(np.nan_to_num(x, nan=-9.0), 9) + 0.0)
    return [row.tobytes() for row in rounded]


@dataclass(frozen=True, eq=False)
class SearchTask:
    """Where to search.

    `best` are canonical points worth looking around, the best first, shape (k, d). `pins` are
    columns whose value is given where they are active. `pool` is how many points are spread over
    the space to begin with.
    """

    grounds: Grounds
    taken: Taken
    best: Floats
    seed: int
    pins: Mapping[int, float]
    pool: int = 1024

    def walk(self, x: Floats) -> Floats:
        """Return `x` canonical, with the pinned entries."""
        x = x.copy()
        for column, value in self.pins.items():
            x[:, column] = value
        return self.grounds.canonical(x)

    def open(self, x: Floats) -> Flags:
        """Return which canonical points, shape (n, columns), may be proposed: shape (n,)."""
        return self.grounds.allowed(x) & self.taken.free(x)
