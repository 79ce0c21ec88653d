"""How much of the differences each parameter explains, alone and in pairs: functional ANOVA.

A random forest is fitted to the trials, and its variance over the whole space is divided among
parameters and pairs of them. Unlike the main effects, this sees interactions, and it judges the
space rather than where the sampler went. Source: Hutter, Hoos, Leyton-Brown (2014), "An efficient
approach for assessing hyperparameter importance". The variance of a tree for some parameters is
not integrated over a grid, as in Optuna, but summed over pairs of leaves: the same number in a
twentieth of the time.

The forest is scikit-learn's, which a server need not have. A parameter that is inactive in a trial
counts as the middle of its range there: the trees tell such trials apart by its parent.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from tuner.documents.study_folder.insights import MethodImportance
from tuner.service.importance.effects import cut
from tuner.service.insights.sample import Sample
from tuner.space.axis import Axis
from tuner.space.parameter import Parameter
from tuner.surrogate.columns import MIDDLE, Floats, Numbers

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
    """A fitted forest, and what each of its trees says of each parameter."""

    def __init__(self, tuned: Sequence[Parameter], sample: Sample, costs: Floats) -> None:
        from sklearn.ensemble import RandomForestRegressor

        drawn = np.arange(len(costs))
        if len(drawn) > _TRIALS:
            drawn = np.random.default_rng(0).choice(drawn, _TRIALS, replace=False)
        trials = [sample.params[at] for at in drawn.tolist()]
        blocks = [_block(parameter, trials) for parameter in tuned]
        owners = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
        forest = RandomForestRegressor(
            n_estimators=_TREES,
            max_depth=_DEPTH,
            min_samples_split=2 * _LEAF,
            min_samples_leaf=_LEAF,
            random_state=0,
        ).fit(np.concatenate(blocks, axis=1), costs[drawn])
        trees = [Tree(fitted.tree_, owners) for fitted in forest.estimators_]
        self._trees = [tree for tree in trees if tree.variance > 0.0]

    @property
    def is_fitted(self) -> bool:
        """Whether any tree found something to tell apart."""
        return bool(self._trees)

    def share(self, which: Sequence[int]) -> float:
        """Return the share of the variance for some parameters, averaged over the trees."""
        return float(np.mean([tree.marginal(which) / tree.variance for tree in self._trees]))


class Tree:
    """The leaves of a tree as boxes that fill the unit cube, and the variance of their values.

    Args:
        tree: scikit-learn's, with n nodes.
        owners: for each column, the index of the parameter that it belongs to.

    Attributes:
        variance: of the values over the cube.
    """

    def __init__(self, tree: Any, owners: Numbers) -> None:
        boxes = _boxes(tree, len(owners))
        leaves = tree.feature < 0
        low, high = boxes[leaves, 0], boxes[leaves, 1]
        size = high - low
        weight = size.prod(axis=1)
        value = tree.value[leaves, 0, 0]
        value = value - weight @ value
        self.variance = float(weight @ value**2)
        self._moment = weight * value
        #: For each parameter that the tree splits on, how much more often two leaves hold the same
        #: value of it than by chance, shape (leaves, leaves).
        self._together: dict[int, Floats] = {}
        for column in np.unique(tree.feature[~leaves]).tolist():
            ends = np.minimum.outer(high[:, column], high[:, column])
            shared = ends - np.maximum.outer(low[:, column], low[:, column])
            ratio = np.maximum(shared, 0.0) / np.multiply.outer(size[:, column], size[:, column])
            owner = int(owners[column])
            self._together[owner] = self._together.get(owner, 1.0) * ratio

    def marginal(self, which: Sequence[int]) -> float:
        """Return the variance of the mean for given values of some parameters, at least 0."""
        together = [self._together[owner] for owner in which if owner in self._together]
        if not together:
            return 0.0
        return max(float(self._moment @ math.prod(together) @ self._moment), 0.0)


def _boxes(tree: Any, columns: int) -> Floats:
    """Return the lower and upper ends of each node's box, shape (n, 2, columns)."""
    boxes = np.empty((tree.node_count, 2, columns))
    boxes[0] = [[0.0], [1.0]]
    parents = zip(
        tree.children_left.tolist(),
        tree.children_right.tolist(),
        tree.feature.tolist(),
        tree.threshold.tolist(),
        strict=True,
    )
    # A parent comes before its children.
    for node, (left, right, column, threshold) in enumerate(parents):
        if column >= 0:
            boxes[left] = boxes[right] = boxes[node]
            boxes[left, 1, column] = boxes[right, 0, column] = threshold
    return boxes


def _block(parameter: Parameter, trials: Sequence[dict[str, Any]]) -> Floats:
    """Return the columns of a parameter: shape (n, 1), or a column for each choice."""
    axis = Axis(parameter)
    at = np.array(
        [np.nan if (value := p.get(parameter.name)) is None else axis.unit(value) for p in trials],
        dtype=float,
    )
    if axis.kind != "choice":
        # What lies beyond the range counts as its end: the trees divide the unit cube.
        return np.where(np.isnan(at), MIDDLE, at.clip(0.0, 1.0))[:, None]
    choices: Floats = (at[:, None] == np.arange(axis.size or 1)[None]).astype(float)
    return choices


def _nothing(why: str) -> MethodImportance:
    return {"parameters": [], "pairs": [], "why": why}


def _active(parameter: Parameter, sample: Sample) -> float:
    return sum(parameter.name in params for params in sample.params) / len(sample.params)
