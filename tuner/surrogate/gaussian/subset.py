"""Which observations to fit a model to if there are too many: the cost grows with their cube."""

from __future__ import annotations

import numpy as np

from tuner.surrogate.columns import Columns, Floats, Numbers
from tuner.surrogate.gaussian import kernel


def choose_subset(
    columns: Columns, x: Floats, z: Floats, age: Floats | Numbers, most: int
) -> Numbers:
    """Return the rows to keep: the best half, the newest sixth, and others spread over the space.

    Args:
        x: points, shape (n, d).
        z: values, smaller is better, shape (n,).
        age: increases with the time of the observation, shape (n,).
        most: number of rows to keep, at most n.

    Returns:
        Row numbers, ascending, `most` of them.
    """
    kept = np.zeros(len(z), dtype=bool)
    kept[np.argsort(z, kind="stable")[: most // 2]] = True
    newest = np.argsort(-age, kind="stable")
    kept[newest[~kept[newest]][: most // 6]] = True
    features = columns.features(x)
    nearest = kernel.squares_between(features, features[kept]).min(axis=1)
    while kept.sum() < most:
        far = int(np.argmax(np.where(kept, -1.0, nearest)))
        kept[far] = True
        added = kernel.squares_between(features, features[far : far + 1])[:, 0]
        nearest = np.minimum(nearest, added)
    return np.flatnonzero(kept)
