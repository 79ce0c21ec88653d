"""The rows of several sources combined, and a selection of them if there are too many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tuner.surrogate.columns import Flags, Floats, Numbers
from tuner.surrogate.history.ranking import Scored


@dataclass(frozen=True, eq=False)
class SourceRows:
    """Rows of several sources: `x` (n, d), `z` (n,), and the index of each row's source (n,)."""

    x: Floats
    z: Floats
    task: Numbers

    @cached_property
    def count(self) -> int:
        """The number of sources."""
        return int(self.task.max()) + 1

    @cached_property
    def unknown(self) -> Flags:
        """Which columns are NaN in all rows of a source, shape (sources, d)."""
        return np.array([np.isnan(self.x[self.task == t]).all(axis=0) for t in range(self.count)])

    @cached_property
    def same(self) -> Floats:
        """1 if two rows are from the same source, else 0, shape (n, n)."""
        same: Floats = (self.task[:, None] == self.task[None, :]).astype(np.float64)
        return same


def thin_ranked(scored: Scored, most: int) -> Scored:
    """Return at most `most` points: the best quarter of them, and an even selection of the rest."""
    n = len(scored.z)
    if n <= most:
        return scored
    best = most // 4
    rest = np.linspace(best, n - 1, most - best).round().astype(np.int64)
    kept = np.concatenate([np.arange(best), rest])
    return Scored(x=scored.x[kept], z=scored.z[kept], row=scored.row[kept])


def gather(sources: Sequence[Scored], most: int) -> SourceRows:
    """Return about `most` rows of all sources together, the same number from each."""
    thinned = [thin_ranked(scored, max(most // len(sources), 4)) for scored in sources]
    sizes = [len(scored.z) for scored in thinned]
    return SourceRows(
        x=np.concatenate([scored.x for scored in thinned]),
        z=np.concatenate([scored.z for scored in thinned]),
        task=np.repeat(np.arange(len(sizes)), sizes),
    )
