"""The knowledge of one earlier study, in the columns of the study that learns from it.

| name | meaning                                                                           |
|------|-----------------------------------------------------------------------------------|
| n, d | rows of the source (a configuration and its result); columns of the target        |
| x    | (n, d) points as `columns.py` describes them; NaN: inactive, or not known here     |
| y    | (n,) values, smaller is better; NaN: the parameters themselves made the trial fail |
| rung | (n,) the step at which `y` was read; -1: the final value                           |

Only the order of the values within a source matters, so sources may differ in unit and scale.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tuner.surrogate.columns import Floats, Numbers

#: The rung of a final value.
FINAL = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """One earlier study, mapped to the target's columns.

    A pruned trial has one row, at the last step that it reported. An ended trial may have, in
    addition to its final row, rows with the same `x` at earlier steps: they determine the standing
    of pruned ones.

    Args:
        name: its name in a receipt.
        x: (n, d), may lie outside [0, 1]; copied.
        y: (n,), smaller is better; infinite values count as infeasible.
        rung: (n,), -1 for a final value (the default for all).
        weight: its weight compared with other sources, set by the user; positive.
        foretold: the result of `foretelling.correlations` for its curves; None: it has none.

    Raises:
        ValueError: shapes or the weight do not fit.
    """

    name: str
    x: Floats
    y: Floats
    rung: Numbers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    weight: float = 1.0
    foretold: Floats | None = None

    def __post_init__(self) -> None:
        x = np.array(self.x, dtype=np.float64, ndmin=2)
        y = np.array(self.y, dtype=np.float64).reshape(-1)
        rung = np.array(self.rung, dtype=np.int64).reshape(-1)
        if rung.size == 0:
            rung = np.full(len(y), FINAL, dtype=np.int64)
        if x.ndim != 2 or not len(x) == len(y) == len(rung):
            raise ValueError(
                f"source {self.name!r}: x {x.shape}, y {y.shape} and rung {rung.shape} "
                "must have one row for each trial"
            )
        if not (np.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"source {self.name!r}: weight {self.weight} must be above 0")
        if np.isinf(x).any():
            raise ValueError(f"source {self.name!r}: x holds infinite values; NaN means unknown")
        y[~np.isfinite(y)] = np.nan
        for array in (x, y, rung):
            array.flags.writeable = False
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)
        object.__setattr__(self, "rung", rung)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.y)

    @cached_property
    def content(self) -> str:
        """SHA-256 of the rows, independent of the order in which they are listed."""
        order = np.lexsort(self.table.T[::-1])
        return self._digest(self.table[order])

    @cached_property
    def listing(self) -> str:
        """SHA-256 of the rows in the order in which they are listed."""
        return self._digest(self.table)

    @property
    def table(self) -> Floats:
        """The rows, with `y` and `rung` last, shape (n, d + 2); equal rows have equal bits."""
        rows = np.column_stack([self.x, self.y, self.rung.astype(np.float64)])
        # Canonical NaN and zero, whatever their bits.
        return np.where(np.isnan(rows), np.nan, rows) + 0.0

    @staticmethod
    def _digest(rows: Floats) -> str:
        digest = hashlib.sha256(repr(rows.shape).encode())
        digest.update(np.ascontiguousarray(rows).tobytes())
        return digest.hexdigest()
