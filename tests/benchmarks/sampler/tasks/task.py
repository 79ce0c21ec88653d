"""One task: a space, what a configuration costs, and what it is measured against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tuner.space import Parameter, Params, SearchSpace, Value

Array = npt.NDArray[np.float64]


class NoDataError(Exception):
    """A family needs data or a package that is not here."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task to minimise. Tasks of one family have one space and are related to each other."""

    name: str
    family: str
    space: SearchSpace
    evaluate: Callable[[Params], float]
    #: The lowest value known, and that of a median random configuration.
    best: float
    median: float
    #: The only configurations that may be asked for, where the task is a record of real runs.
    pool: tuple[Params, ...] | None = None
    #: Value after each epoch, where it is known.
    curve: Callable[[Params], Sequence[float]] | None = None
    #: What a training says it came to, where that is noisy; regret is of `evaluate`.
    told: Callable[[Params], float] | None = None
    #: Figures are set on healthy tasks; the others still serve as history.
    healthy: bool = True

    @property
    def key(self) -> str:
        """Return `family/name`."""
        return f"{self.family}/{self.name}"

    @cached_property
    def pool_keys(self) -> dict[str, int]:
        """Row of the pool by the space's key of its configuration."""
        return {self.space.key(params): row for row, params in enumerate(self.pool or ())}


def regret(values: Array, best: float, median: float) -> Array:
    """Return the normalised regret after each value: 0 is the best known, 1 a median configuration.

    It is cut at 1: otherwise the first random values of a task with a heavy tail would be all that
    a mean over tasks says.
    """
    so_far = np.minimum.accumulate(np.asarray(values, dtype=np.float64))
    return np.clip((so_far - best) / (median - best), 0.0, 1.0)


def sample(space: SearchSpace, rng: np.random.Generator) -> Params:
    """Return a random configuration, uniform on each parameter's own scale; none forbidden."""
    while True:
        params = space.walk(lambda parameter: _draw(parameter, rng))
        if not space.is_forbidden(params):
            return params


def _draw(parameter: Parameter, rng: np.random.Generator) -> Value:
    size = parameter.size
    if size is not None and not parameter.log:
        return parameter.at(int(rng.integers(size)))
    low, high = parameter.bounds
    if parameter.kind == "int":
        # Each whole number owns half a step to either side of it.
        edges = np.log([low - 0.5, high + 0.5])
        return int(np.clip(round(float(np.exp(rng.uniform(*edges)))), low, high))
    if parameter.log:
        return float(np.clip(np.exp(rng.uniform(np.log(low), np.log(high))), low, high))
    return float(rng.uniform(low, high))


def median_value(space: SearchSpace, evaluate: Callable[[Params], float], n: int = 2000) -> float:
    """Return the median value of `n` random configurations, the same each time."""
    rng = np.random.default_rng(20261123)
    return float(np.median([evaluate(sample(space, rng)) for _ in range(n)]))


def place(parameter: Parameter, value: Value) -> float:
    """Return where a numeric or ordinal value lies in the range of its parameter, from 0 to 1."""
    if parameter.kind == "ordinal":
        return parameter.values.index(value) / max(len(parameter.values) - 1, 1)
    low, high = parameter.bounds
    x = float(value)
    if parameter.log:
        return float(np.log(x / low) / np.log(high / low))
    return (x - low) / (high - low)
