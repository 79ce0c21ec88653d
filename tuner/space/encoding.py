"""A search space as columns of numbers, for models: parameters to points and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from tuner.space.axis import Axis
from tuner.space.parameter import Condition, Parameter
from tuner.space.search_space import Params, SearchSpace
from tuner.space.value import Value, find
from tuner.surrogate.columns import Columns, Flags, Floats

#: Points to draw for each one requested, before a space counts as almost entirely forbidden.
_DRAWS = 8
#: Two positions closer than this are equal.
_SAME = 1e-9


class Encoding:
    """The tuned parameters of a space as the columns of a point.

    A point is a vector of d = len(`names`) numbers, see `tuner.surrogate.columns`. It is
    *canonical* if its grid entries lie on grid values and exactly the inactive entries are NaN.

    Args:
        space: any search space; its fixed parameters have no column.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        tuned = [parameter for parameter in space.parameters if parameter.kind != "fixed"]
        self.names: tuple[str, ...] = tuple(parameter.name for parameter in tuned)
        self.axes: tuple[Axis, ...] = tuple(Axis(parameter) for parameter in tuned)
        self.columns = Columns(
            kinds=tuple(axis.kind for axis in self.axes),
            sizes=tuple(axis.size for axis in self.axes),
        )
        self._index = {name: index for index, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Return the column of a tuned parameter.

        Raises:
            KeyError: there is no such tuned parameter.
        """
        return self._index[name]

    def unit(self, name: str, value: Any) -> float:
        """Return the position of any number on a parameter's scale, or the index of a choice.

        Raises:
            KeyError: there is no such tuned parameter.
            ValueError: the value has no position there (text, not finite, not above 0 on a log
                scale, an unknown choice).
        """
        return self.axes[self._index[name]].unit(value)

    def encode(self, params: Mapping[str, Any]) -> Floats:
        """Return a configuration as a point, shape (d,); NaN for each parameter it lacks.

        Raises:
            ValueError: a value has no position on its parameter's scale.
        """
        return np.array(
            [
                axis.unit(params[name]) if name in params else np.nan
                for name, axis in zip(self.names, self.axes, strict=True)
            ],
            dtype=float,
        )

    def decode(self, x: Floats) -> Params:
        """Return the valid configuration nearest to a point, including fixed parameters.

        Args:
            x: shape (d,); an active parameter whose entry is NaN gets its middle or first value.
        """

        def choose(parameter: Parameter) -> Value:
            index = self._index[parameter.name]
            return self.axes[index].value(float(x[index]))

        return self.space.walk(choose)

    def canonical(self, x: Floats) -> Floats:
        """Return points with grid entries snapped and conditions applied.

        Args:
            x: shape (n, d); an active parameter whose entry is NaN gets its middle or first value.

        Returns:
            A new array of shape (n, d); NaN exactly where a parameter is inactive.
        """
        found = np.empty(x.shape)
        active: dict[str, Flags] = {}
        for parameter in self.space.parameters:
            here = np.ones(len(x), dtype=bool)
            for condition in parameter.when:
                here &= active[condition.parent] & self._holds(condition, found)
            active[parameter.name] = here
            if parameter.kind != "fixed":
                index = self._index[parameter.name]
                found[:, index] = np.where(here, self.axes[index].snap(x[:, index]), np.nan)
        return found

    def allowed(self, x: Floats) -> Flags:
        """Return which canonical points contain no forbidden combination, shape (n,)."""
        kept = np.ones(len(x), dtype=bool)
        for clause in self.space.forbid:
            hit = np.ones(len(x), dtype=bool)
            for name, value in clause.items():
                hit &= self._equals(name, value, x)
            kept &= ~hit
        return kept

    def sample(self, n: int, seed: int) -> Floats:
        """Return canonical, allowed points that fill the space evenly: scrambled Sobol.

        Args:
            n: how many; fewer are returned only if nearly all of the space is forbidden.
            seed: determines the scrambling.

        Returns:
            Shape (n, d). A grid's values are equally likely on its scale; points may repeat if the
            space has few.
        """
        if not self.names or n <= 0:
            return np.empty((max(n, 0), len(self.names)))
        # A second of processor time, which commands that only read a study do not need.
        from scipy.stats import qmc

        sequence = qmc.Sobol(len(self.names), scramble=True, rng=np.random.default_rng(seed))
        drawn = self._spread(sequence.random_base2(math.ceil(math.log2(n))))
        found = drawn[self.allowed(drawn)]
        while len(found) < n and sequence.num_generated < _DRAWS * max(n, 64):
            more = self._spread(sequence.random(sequence.num_generated))
            found = np.concatenate([found, more[self.allowed(more)]])
        return found[:n]

    def values(self, column: int) -> Floats:
        """Return the positions of a grid or a choice, in order; for a long grid, a selection."""
        return self.axes[column].listed

    def _spread(self, uniform: Floats) -> Floats:
        """Return canonical points for numbers in [0, 1); all values are equally likely."""
        columns = [axis.spread(uniform[:, index]) for index, axis in enumerate(self.axes)]
        return self.canonical(np.stack(columns, axis=1))

    def _holds(self, condition: Condition, x: Floats) -> Flags:
        parent = self.space[condition.parent]
        if parent.kind == "fixed":
            met = find(parent.at(0), condition.values) is not None
            return np.full(len(x), fill_value=met)
        met_at = self._places[condition.parent, condition.values]
        column = x[:, self._index[condition.parent]]
        met_in: Flags = np.any(np.abs(column[:, None] - met_at[None, :]) < _SAME, axis=1)
        return met_in

    @cached_property
    def _places(self) -> dict[tuple[str, tuple[Value, ...]], Floats]:
        """The positions of the values that conditions name."""
        return {
            (condition.parent, condition.values): np.array(
                [self.unit(condition.parent, value) for value in condition.values]
            )
            for parameter in self.space.parameters
            for condition in parameter.when
            if condition.parent in self._index
        }

    def _equals(self, name: str, value: Value, x: Floats) -> Flags:
        parameter = self.space[name]
        if parameter.kind == "fixed":
            is_it = find(parameter.at(0), (value,)) is not None
            return self._active(parameter, x) if is_it else np.zeros(len(x), dtype=bool)
        return np.abs(x[:, self._index[name]] - self.unit(name, value)) < _SAME

    def _active(self, parameter: Parameter, x: Floats) -> Flags:
        """Return in which canonical points a parameter is active."""
        if parameter.kind != "fixed":
            return ~np.isnan(x[:, self._index[parameter.name]])
        here = np.ones(len(x), dtype=bool)
        for condition in parameter.when:
            here &= self._active(self.space[condition.parent], x)
            here &= self._holds(condition, x)
        return here
