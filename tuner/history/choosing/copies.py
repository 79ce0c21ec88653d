"""Detects copies of studies, such as an import of the log root of a study in this database."""

from __future__ import annotations

from collections import Counter

import numpy as np

from tuner.surrogate.history.source import FINAL, Source

#: Minimum share of a study's trials that another one must have to make the study its copy.
_SHARE = 0.8
#: Minimum number of common trials; fewer may agree by chance.
_MIN = 3
#: Number of decimals of a position to compare: values that were stored with 32 bits agree that far.
_DECIMALS = 5
#: Replaces NaN, which does not equal itself.
_NOWHERE = -1e6


class Copies:
    """The trials of the admitted studies; it grows with each."""

    def __init__(self) -> None:
        self._owners: dict[bytes, tuple[str, ...]] = {}

    def admit(self, source: Source) -> str | None:
        """Record the trials of a source under its name, unless it is a copy.

        Returns:
            None, or the name of the source, admitted before, that has most of its trials.
        """
        marks = _marks(source)
        known = marks & self._owners.keys()
        hits = Counter(name for mark in known for name in self._owners[mark])
        original = min(hits, key=lambda name: (-hits[name], name), default=None)
        if original is not None and len(marks) >= _MIN and hits[original] >= _SHARE * len(marks):
            return original
        mine = (source.name,)
        shared = {mark: self._owners[mark] + mine for mark in known}
        # Nearly all marks are new: a hundred thousand of them, and one tuple for each source.
        self._owners.update(dict.fromkeys(marks, mine))
        self._owners.update(shared)
        return None


def _marks(source: Source) -> set[bytes]:
    """Return an identifying mark of each finished trial: its point and its value."""
    final = source.rung == FINAL
    x = np.round(np.where(np.isnan(source.x[final]), _NOWHERE, source.x[final]), _DECIMALS)
    y = np.where(np.isnan(source.y[final]), _NOWHERE, source.y[final])
    with np.errstate(over="ignore"):
        # + 0.0 removes the sign of zeros.
        rows = np.column_stack([x, y]).astype(np.float32) + np.float32(0.0)
    return set(rows.view(f"V{rows.shape[1] * rows.itemsize}").ravel().tolist())
