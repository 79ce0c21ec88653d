"""Foretell the progress of diabetes, 442 real patients with ten measurements, by boosted trees.

The metric is the mean squared error in units of the variance: 1 is as good as the mean.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold

from workers import Run

FOLDS = 3
ROUNDS = 10
TREES_PER_ROUND = 10


def train(run: Run) -> float:
    """Train one configuration and return its lowest error; it reports every ten trees."""
    x, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    model = HistGradientBoostingRegressor(
        learning_rate=run.params["train.learning_rate"],
        max_leaf_nodes=run.params["model.leaves"],
        min_samples_leaf=run.params["model.min_leaf"],
        l2_regularization=run.params["model.l2_penalty"],
        max_features=run.params["data.feature_fraction"],
        max_bins=run.params["model.max_bins"],
        early_stopping=False,
        random_state=run.seed,
        # `fit` then adds trees to those that are there.
        warm_start=True,
    )
    folds = list(KFold(FOLDS, shuffle=True, random_state=0).split(x))
    models = [clone(model) for _ in folds]
    best = float("inf")
    for step in range(1, ROUNDS + 1):
        errors = []
        for fold, (seen, unseen) in zip(models, folds, strict=True):
            fold.set_params(max_iter=step * TREES_PER_ROUND)
            fold.fit(x[seen], y[seen])
            errors.append(np.mean((fold.predict(x[unseen]) - y[unseen]) ** 2))
        error = float(np.mean(errors))
        best = min(best, error)
        run.report(step, error)
    return best
