"""Tell malignant from benign tumours, 569 real cases of 30 measurements, by gradient boosting."""

from __future__ import annotations

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from workers import Run

ROUNDS = 10
TREES_PER_ROUND = 10


def train(run: Run) -> float:
    """Train one configuration and return its last loss; it reports every ten trees."""
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(
        x, y, test_size=0.3, stratify=y, random_state=0
    )
    model = HistGradientBoostingClassifier(
        learning_rate=run.params["train.learning_rate"],
        max_leaf_nodes=run.params["model.leaves"],
        min_samples_leaf=run.params["model.min_leaf"],
        l2_regularization=run.params["model.l2_penalty"],
        max_bins=run.params["model.max_bins"],
        early_stopping=False,
        random_state=run.seed,
        # `fit` then adds trees to those that are there.
        warm_start=True,
    )
    loss = 0.0
    for step in range(1, ROUNDS + 1):
        model.set_params(max_iter=step * TREES_PER_ROUND)
        model.fit(x_train, y_train)
        loss = log_loss(y_val, model.predict_proba(x_val))
        run.report(step, loss)
    return loss
