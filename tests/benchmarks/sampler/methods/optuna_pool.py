"""Optuna's GPSampler on a pool: its models and its acquisition, asked about the recorded rows only.

Uses what Optuna 5.0 keeps private, the hook for the search of the acquisition among it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna._gp.acqf import BaseAcquisitionFunc
from optuna._gp.search_space import SearchSpace as GpSpace
from optuna.distributions import BaseDistribution
from optuna.samplers import GPSampler
from optuna.study import Study
from optuna.trial import FrozenTrial
from typing_extensions import override

from tests.benchmarks.sampler.tasks.task import Array
from tuner.space import Params, SearchSpace
from tuner.space.optuna import to_optuna


class GpPoolSampler(GPSampler):
    """Each row is proposed once; what the Gaussian process does not model comes with its row."""

    def __init__(self, space: SearchSpace, pool: Sequence[Params], seed: int) -> None:
        super().__init__(seed=seed, deterministic_objective=False)
        self._rows = [{name: to_optuna(space[name], v) for name, v in p.items()} for p in pool]
        self._free = np.ones(len(pool), dtype=bool)
        self._draw = np.random.default_rng(seed)
        self._ranges: dict[str, BaseDistribution] = {}
        self._row = -1

    @override
    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Choose a row: by the acquisition, before there is one at random."""
        self._ranges, self._row = search_space, -1
        super().sample_relative(study, trial, search_space)
        if self._row < 0:
            self._row = int(self._draw.choice(np.flatnonzero(self._free)))
        self._free[self._row] = False
        return {name: self._rows[self._row][name] for name in search_space}

    @override
    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the value of the row."""
        return self._rows[self._row][param_name]

    @override
    def _optimize_acqf(self, acqf: BaseAcquisitionFunc, best_params: Array | None) -> Array:
        free = np.flatnonzero(self._free)
        # It only reads the parameters, which may be given beside the trials.
        params = [self._rows[row] for row in free]
        x = GpSpace(self._ranges).get_normalized_params(params, params)  # type: ignore[arg-type]
        best = int(np.argmax(acqf.eval_acqf_no_grad(x)))
        self._row = int(free[best])
        chosen: Array = x[best]
        return chosen
