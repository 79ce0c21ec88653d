"""The possible values of a metric, if its name and the values seen leave no doubt."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from tuner.surrogate.columns import Floats

#: Words in names of metrics that are shares, from 0 to 1 (or to 100, in percent).
_SHARES = frozenset(
    (
        *("acc", "accuracy", "auc", "auroc", "auprc", "roc", "f1", "fscore"),
        *("precision", "recall", "sensitivity", "specificity", "iou", "miou", "jaccard", "dice"),
    )
)
#: Words in names of metrics that are at most 1.
_AT_MOST_1 = frozenset(("r2", "r2score", "nse"))
#: Words in names of metrics that are at least 0.
_AT_LEAST_0 = frozenset(
    (
        *("error", "err", "mae", "mse", "rmse", "msle", "rmsle", "mape", "smape", "wer", "cer"),
        *("loss", "perplexity", "ppl", "crossentropy", "logloss", "brier"),
        *("seconds", "duration", "latency", "bytes", "mb", "gb", "params", "epochs"),
    )
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True)
class Bounds:
    """The smallest and the largest value, infinite if unknown."""

    low: float = -math.inf
    high: float = math.inf

    def clip(self, values: Floats) -> Floats:
        """Return values clipped to the bounds, in the same shape."""
        return np.clip(values, self.low, self.high)


def known_bounds(name: str, seen: Floats) -> Bounds:
    """Return the bounds of a metric; open if the name can mean something else.

    A value outside disproves a bound: a "loss" may be a likelihood, an "accuracy" may be in
    percent.

    Args:
        name: name of the metric, such as `val_accuracy`.
        seen: values of the study so far, in the metric's unit, shape (n,).
    """
    words = {word for word in re.split(r"[^a-z0-9]+", _CAMEL.sub("_", name).lower()) if word}
    seen = seen[np.isfinite(seen)]
    least, most = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 0.0)
    if words & _AT_LEAST_0:
        # Before shares: `accuracy_loss` and `f1_error` are not shares.
        return Bounds(low=0.0) if least >= 0 else Bounds()
    if words & _SHARES and least >= 0 and most <= 100:
        return Bounds(low=0.0, high=1.0 if most <= 1 else 100.0)
    if words & _AT_MOST_1 and most <= 1:
        return Bounds(high=1.0)
    return Bounds()
