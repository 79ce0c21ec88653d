"""The nearest recorded configuration that is free, for samplers that know nothing of pools."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.benchmarks.sampler.methods.our_pool import filled
from tuner.space import Params, SearchSpace
from tuner.space.encoding import Encoding


class NearestRow:
    """Each row of a pool is given once; when none is left, all are free again."""

    def __init__(self, space: SearchSpace, pool: Sequence[Params]) -> None:
        self._encoding = Encoding(space)
        self._pool = pool
        self._points = filled(np.array([self._encoding.encode(params) for params in pool]))
        self._free = np.ones(len(pool), dtype=bool)

    def take(self, params: Params) -> Params:
        """Return the free row that is nearest to a configuration; it is free no more."""
        if not self._free.any():
            self._free[:] = True
        point = filled(self._encoding.encode(params))
        apart = ((self._points - point) ** 2).sum(axis=1)
        row = int(np.argmin(np.where(self._free, apart, np.inf)))
        self._free[row] = False
        return dict(self._pool[row])
