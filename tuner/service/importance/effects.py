"""How much of the differences between trials each parameter explains: main effects.

The first-order part of an analysis of variance, in steps: the cost of the trials is fitted to one
parameter alone, by a parabola over its scale or by a mean for each choice. The parameter that
explains most comes first, the next ones explain what the ones before them leave: a sampler moves
all parameters at once to where it is good, and those of no effect must not share in that. It ends
when what every other one explains may be chance, by its F test, at a level for all of them together
(Bonferroni). Costs far worse than most are cut first (Tukey's fence), as one diverged training
would otherwise be all that there is to explain.

Interactions are not seen, nor a parameter that the trials hardly vary. It needs no model and no
random numbers, and some milliseconds. docs/decisions.md has it beside PED-ANOVA, Optuna's default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from tuner.surrogate.columns import Flags, Floats

#: A parameter without an effect is named in one of so many studies: the level of the tests.
_LEVEL = 0.1
#: So many are named at most: what comes after them is a trifle.
_MOST = 12
#: Beyond the upper quartile by so many times the width of the quartiles, a cost is cut.
_FENCE = 3.0


@dataclass(frozen=True, kw_only=True, eq=False)
class EffectColumn:
    """One parameter of n trials.

    Attributes:
        at: positions from 0 to 1 or, of choices, their indices, shape (n,); NaN where the parameter
            is not active.
        is_choice: whether they are indices.
    """

    at: Floats
    is_choice: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class _Basis:
    """What a parameter can explain: orthonormal columns, shape (active, terms), without a mean."""

    active: Flags
    columns: Floats

    def explained(self, rest: Floats) -> float:
        """Return the sum of squares that it explains of what is left, shape (n,)."""
        return float(((self.columns.T @ rest[self.active]) ** 2).sum())

    def chance(self, rest: Floats) -> float:
        """Return how likely a parameter without an effect explains as much."""
        here = rest[self.active]
        terms = self.columns.shape[1]
        free = len(here) - terms - 1
        spread = float(((here - here.mean()) ** 2).sum()) if len(here) else 0.0
        if not terms or free < 1 or spread <= 0.0:
            return 1.0
        found = self.explained(rest)
        ratio = (found / terms) / max((spread - found) / free, spread * 1e-12)
        return float(fdtrc(terms, free, ratio))

    def without(self, rest: Floats) -> Floats:
        """Return what is left when this is taken away."""
        left = rest.copy()
        left[self.active] -= self.columns @ (self.columns.T @ rest[self.active])
        return left


def effect_shares(columns: Sequence[EffectColumn], costs: Floats) -> list[float] | None:
    """Return the share of each parameter in what they explain, together 1.

    Args:
        costs: of the trials, shape (n,), lower is better; not all equal.

    Returns:
        0 for a parameter whose effect may be chance; None when that is so of all of them.
    """
    near = cut(costs)
    rest = near - near.mean()
    bases = [_basis(column) for column in columns]
    found = [0.0] * len(columns)
    left = dict(enumerate(bases))
    while left and len(columns) - len(left) < _MOST:
        sure = [at for at in left if left[at].chance(rest) <= _LEVEL / len(columns)]
        if not sure:
            break
        best = max(sure, key=lambda at: left[at].explained(rest))
        basis = left.pop(best)
        found[best] = basis.explained(rest)
        rest = basis.without(rest)
    total = sum(found)
    return [share / total for share in found] if total > 0.0 else None


def cut(costs: Floats) -> Floats:
    """Return costs, shape (n,), of which those far worse than most count as the fence."""
    low, high = np.quantile(costs, [0.25, 0.75])
    fence = high + _FENCE * (high - low)
    # Where most trials are equal the quartiles say nothing of the others.
    return np.minimum(costs, fence) if high > low else costs


def _basis(column: EffectColumn) -> _Basis:
    active = ~np.isnan(column.at)
    terms = _terms(column, column.at[active])
    if not terms or active.sum() <= len(terms) + 1:
        return _Basis(active=active, columns=np.empty((int(active.sum()), 0)))
    matrix = np.stack(terms, axis=1)
    return _Basis(active=active, columns=np.linalg.qr(matrix - matrix.mean(axis=0))[0])


def _terms(column: EffectColumn, at: Floats) -> list[Floats]:
    """Return what the cost is fitted to, beside a constant; empty: the parameter does not vary."""
    values = np.unique(at)
    if len(values) < 2:
        return []
    if column.is_choice:
        return [(at == value).astype(float) for value in values[1:]]
    middle = at - at.mean()
    return [middle] if len(values) == 2 else [middle, middle**2]
