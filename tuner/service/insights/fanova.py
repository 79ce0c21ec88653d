"""How much of the differences each parameter explains, alone and in pairs: functional ANOVA.

A random forest is fitted to the trials, and its variance over the whole space is divided among
parameters and pairs of them, with Optuna's trees. Unlike the main effects, this sees interactions,
and it judges the space rather than where the sampler went. Source: Hutter, Hoos, Leyton-Brown
(2014), "An efficient approach for assessing hyperparameter importance".

The forest is scikit-learn's, which a server need not have. A parameter that is inactive in a trial
counts as the middle of its range there: the trees tell such trials apart by its parent.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from tuner.documents.study_folder.insights import MethodImportance
from tuner.service.importance.effects import cut
from tuner.service.insights.sample import Sample
from tuner.space.axis import Axis
from tuner.space.parameter import Parameter
from tuner.surrogate.columns import Floats

#: Limits of the work, to some seconds. Trials are sampled from all results with equal probability.
_TRIALS, _TREES, _DEPTH, _LEAF = 600, 32, 8, 2
#: Number of most important parameters among which pairs are considered.
_PAIRED = 5
#: Minimum share of a pair.
_LEAST_PAIR = 0.005
#: Maximum number of choices; with more, a parameter has too many columns for its trials.
_MOST_CHOICES = 32

NO_FOREST = "needs scikit-learn, which the server does not have"


def fanova(sample: Sample) -> MethodImportance:
    """Return how much of the variance of the forest for the first metric parameters explain.

    Args:
        sample: at least ten trials.

    Returns:
        `parameters`: `name`, `share` and `active`, most important first; `pairs`: `names` and the
        `share` that both explain together and neither alone. Shares are of all differences that the
        forest knows: they add up to at most 1, less if more than two parameters interact. `why`:
        why there is no result, else empty.
    """
    if importlib.util.find_spec("sklearn") is None:
        return _nothing(NO_FOREST)
    tuned = [p for p in sample.tuned if len(p.values) <= _MOST_CHOICES]
    costs = cut(sample.costs[:, 0])
    if not tuned or costs.min() == costs.max():
        return _nothing("all trials came out the same")
    forest = _Forest(tuned, sample, costs)
    if not forest.is_fitted:
        return _nothing("no parameter stands out of what chance does")
    alone = [forest.share((at,)) for at in range(len(tuned))]
    order = sorted(range(len(tuned)), key=lambda at: -alone[at])
    pairs = []
    for left, right in combinations(order[:_PAIRED], 2):
        share = forest.share((left, right)) - alone[left] - alone[right]
        if share >= _LEAST_PAIR:
            pairs.append((share, [tuned[left].name, tuned[right].name]))
    return {
        "why": "",
        "parameters": [
            {"name": tuned[at].name, "share": alone[at], "active": _active(tuned[at], sample)}
            for at in order
        ],
        "pairs": [{"names": names, "share": share} for share, names in sorted(pairs)[::-1]],
    }


class _Forest:
    """A fitted forest and the columns of each parameter."""

    def __init__(self, tuned: Sequence[Parameter], sample: Sample, costs: Floats) -> None:
        # The basis of Optuna's evaluator: only this gives pairs as well.
        from optuna.importance._fanova._fanova import _Fanova

        drawn = np.arange(len(costs))
        if len(drawn) > _TRIALS:
            drawn = np.random.default_rng(0).choice(drawn, _TRIALS, replace=False)
        trials = [sample.params[at] for at in drawn.tolist()]
        blocks = [_block(parameter, trials) for parameter in tuned]
        ends = np.cumsum([block.shape[1] for block in blocks])
        self._columns = [
            np.arange(end - block.shape[1], end) for end, block in zip(ends, blocks, strict=True)
        ]
        matrix = np.concatenate(blocks, axis=1)
        fitted = _Fanova(_TREES, _DEPTH, 2 * _LEAF, _LEAF, 0)
        bounds = np.tile([0.0, 1.0], (matrix.shape[1], 1))
        self.is_fitted = True
        try:
            fitted.fit(matrix, costs[drawn], bounds, self._columns)
        except RuntimeError:  # no tree found anything to tell apart
            self.is_fitted = False
        self._trees: Any = fitted._trees  # noqa: SLF001 - they alone know of pairs

    def share(self, which: tuple[int, ...]) -> float:
        """Return the share of the variance for some parameters, averaged over the trees."""
        features = np.concatenate([self._columns[at] for at in which])
        shares = [
            max(float(tree.get_marginal_variance(features)), 0.0) / tree.variance
            for tree in self._trees
            if tree.variance > 0.0
        ]
        return float(np.mean(shares))


def _block(parameter: Parameter, trials: Sequence[dict[str, Any]]) -> Floats:
    """Return the columns of a parameter: shape (n, 1), or a column for each choice."""
    axis = Axis(parameter)
    at = np.array(
        [np.nan if (value := p.get(parameter.name)) is None else axis.unit(value) for p in trials],
        dtype=float,
    )
    if axis.kind != "choice":
        return np.where(np.isnan(at), 0.5, at)[:, None]
    choices: Floats = (at[:, None] == np.arange(axis.size or 1)[None]).astype(float)
    return choices


def _nothing(why: str) -> MethodImportance:
    return {"parameters": [], "pairs": [], "why": why}


def _active(parameter: Parameter, sample: Sample) -> float:
    return sum(parameter.name in params for params in sample.params) / len(sample.params)
