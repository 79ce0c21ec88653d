"""Studies that are one another's copies, as an import of the log root of a study that is here."""

from __future__ import annotations

from collections import Counter

import numpy as np

from tuner.surrogate.history.source import FINAL, Source

#: A study of whose trials another one has so many is a copy of it.
_SHARE = 0.8
#: Fewer trials agree by chance.
_MIN = 3
#: Values that were stored with 32 bits agree to so many decimals of a position.
_DECIMALS = 5
#: Stands for NaN, which would not be equal to itself.
_NOWHERE = -1e6


class Copies:
    """Knows the trials of the studies that were admitted; it grows with each."""

    def __init__(self) -> None:
        self._owners: dict[bytes, tuple[str, ...]] = {}

    def admit(self, source: Source) -> str | None:
        """Remember the trials of a source under its name, unless it is a copy.

        Returns:
            None, or the name of the source admitted before that holds most of its trials.
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
    """Return what each finished trial is told by: its point and its value."""
    final = source.rung == FINAL
    x = np.round(np.where(np.isnan(source.x[final]), _NOWHERE, source.x[final]), _DECIMALS)
    y = np.where(np.isnan(source.y[final]), _NOWHERE, source.y[final])
    with np.errstate(over="ignore"):
        # + 0.0: one zero, whatever its sign.
        rows = np.column_stack([x, y]).astype(np.float32) + np.float32(0.0)
    return set(rows.view(f"V{rows.shape[1] * rows.itemsize}").ravel().tolist())
