"""Optuna's walk through all configurations, for trials that may lack parameters found later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from optuna.samplers import BruteForceSampler
from optuna.trial import FrozenTrial
from typing_extensions import override

from tuner.space import SearchSpace
from tuner.space.optuna import from_optuna


class WholeTrialsSampler(BruteForceSampler):
    """Counts a trial as tried only if it has a value for each parameter that is active in it.

    A trial from before a parameter was found represents no configuration of the current space, and
    Optuna's tree of configurations rejects it.

    Args:
        space: the current search space.
        seed: determines the order.
    """

    def __init__(self, space: SearchSpace, *, seed: int) -> None:
        super().__init__(seed=seed, avoid_premature_stop=True)
        self._present = space

    @override
    def _populate_tree(  # type: ignore[override]  # Optuna's is static, and called on the sampler
        self, tree: Any, trials: Iterable[FrozenTrial], params: dict[str, Any]
    ) -> None:
        super()._populate_tree(tree, [t for t in trials if self._is_whole(t)], params)

    def _is_whole(self, trial: FrozenTrial) -> bool:
        values: dict[str, Any] = {}
        for parameter in self._present.parameters:
            if not self._present.is_active(parameter, values):
                continue
            if parameter.kind == "fixed":
                values[parameter.name] = parameter.at(0)
            elif parameter.name in trial.params:
                values[parameter.name] = from_optuna(parameter, trial.params[parameter.name])
            else:
                return False
        return True
