"""What the entries of a point mean to a model: a real number, a position on a grid, or a choice.

A point is a float64 vector. Reals and grids are positions, 0 for the lowest value of the parameter
and 1 for the highest, on its own scale; a choice is its index; NaN means inactive or unknown.
Points of earlier studies may be outside [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
ColumnKind = Literal["real", "grid", "choice"]

#: Replaces an inactive or unknown position: the middle, so that it is far from none.
MIDDLE = 0.5


@dataclass(frozen=True)
class Columns:
    """Kinds and sizes of the entries of a point.

    `sizes` holds the number of values of a grid or a choice, 0 for a real.
    """

    kinds: tuple[ColumnKind, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse sizes that do not match the kinds."""
        if len(self.kinds) != len(self.sizes):
            raise ValueError(f"{len(self.kinds)} kinds, but {len(self.sizes)} sizes")
        for kind, size in zip(self.kinds, self.sizes, strict=True):
            if (kind == "real") != (size == 0):
                raise ValueError(f"a {kind} column of size {size}: reals have 0, others at least 1")

    def __len__(self) -> int:
        return len(self.kinds)

    @cached_property
    def is_choice(self) -> Flags:
        """Which entries are indices of choices, shape (d,)."""
        return np.array([kind == "choice" for kind in self.kinds], dtype=bool)

    @cached_property
    def _absent(self) -> Floats:
        return np.where(self.is_choice, np.array(self.sizes, dtype=float), MIDDLE)

    def fill(self, x: Floats) -> Floats:
        """Return `x` without NaN, as kernels need it.

        Args:
            x: points, shape (n, d).

        Returns:
            Shape (n, d). A position becomes 0.5; a choice becomes an additional level, its `sizes`.
        """
        return np.where(np.isnan(x), self._absent, x)

    def features(self, x: Floats) -> Floats:
        """Return coordinates whose squared distances add up over the columns.

        Args:
            x: points, shape (n, d), NaN allowed.

        Returns:
            Shape (n, p). A position is one coordinate; a choice takes `sizes` + 1 coordinates, so
            that two different choices have the squared distance 1 (Hamming). `owners` says which
            column each coordinate belongs to.
        """
        filled = self.fill(x)
        if not self.is_choice.any():
            return filled
        features = filled[:, self.owners]
        hot = self._levels >= 0
        match = features[:, hot] == self._levels[hot]
        features[:, hot] = match * np.sqrt(0.5)
        return features

    @cached_property
    def owners(self) -> Numbers:
        """The column that each coordinate of `features` belongs to, shape (p,)."""
        widths = [size + 1 if kind == "choice" else 1 for kind, size in self._pairs]
        return np.repeat(np.arange(len(self)), widths)

    @cached_property
    def _levels(self) -> Floats:
        """The index of a choice that a coordinate represents, -1 for positions."""
        levels = [np.arange(size + 1) if kind == "choice" else [-1] for kind, size in self._pairs]
        return np.concatenate([*levels, []]).astype(float)

    @property
    def _pairs(self) -> list[tuple[ColumnKind, int]]:
        return list(zip(self.kinds, self.sizes, strict=True))
