"""Our sampler on a pool: its encoding knows no other points than the recorded ones.

Every point that the sampler looks at, also while it searches the acquisition, is moved to the
nearest recorded one, and the whole pool is what it samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree
from typing_extensions import override

from tests.benchmarks.sampler.tasks.task import Array
from tuner.space import Params, SearchSpace
from tuner.space.encoding import Encoding

#: Where an inactive parameter lies for the search of the nearest: far from every active one.
_INACTIVE = -3.0
#: The search looks at so many points of the pool at least.
_ALL = 2000


class PoolEncoding(Encoding):
    """The encoding of a space of which only some configurations exist."""

    def __init__(self, space: SearchSpace, pool: Sequence[Params]) -> None:
        super().__init__(space)
        self._pool = pool
        self._points = np.array([self.encode(params) for params in pool])
        self._tree = cKDTree(filled(self._points))

    @override
    def canonical(self, x: Array) -> Array:
        """Return the nearest recorded points."""
        if not len(x):
            return x
        points: Array = self._points[self._rows(super().canonical(x))]
        return points

    @override
    def sample(self, n: int, seed: int) -> Array:
        """Return the pool, or as many points of it as are wanted if that is fewer, shuffled."""
        order = np.random.default_rng(seed).permutation(len(self._points))
        points: Array = self._points[order[: max(n, min(_ALL, len(order)))]]
        return points

    @override
    def decode(self, x: Array) -> Params:
        """Return the recorded configuration."""
        return dict(self._pool[int(self._rows(x[None])[0])])

    def _rows(self, x: Array) -> Array:
        rows: Array = self._tree.query(filled(x))[1]
        return rows


def filled(x: Array) -> Array:
    """Return points without gaps: inactive parameters lie far from every active one."""
    return np.where(np.isnan(x), _INACTIVE, x)
