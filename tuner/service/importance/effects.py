"""How much of the differences between trials each parameter explains: main effects.

This is the first-order part of an analysis of variance, computed stepwise. The cost of the trials
is fitted to each parameter alone: a parabola over its scale, or a mean for each choice. The
parameter that explains most comes first, and the next ones explain what the ones before them leave:
a sampler moves all parameters together to where results are good, and parameters without an effect
must not share in that. It stops when what any other parameter explains may be chance, by its F
test, at a level for all of them together (Bonferroni). Costs far worse than most are clipped first
(Tukey's fence), because one diverged training would otherwise dominate everything.

It sees neither interactions nor a parameter that hardly varies. It needs no model and no random
numbers, and takes some milliseconds. docs/decisions.md compares it with PED-ANOVA, Optuna's
default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from tuner.surrogate.columns import Flags, Floats

#: The level of the tests: the share of studies in which a parameter without an effect is named.
_LEVEL = 0.1
#: Maximum number of named parameters: the effects of further ones are negligible.
_MOST = 12
#: Costs are clipped at this many interquartile ranges above the upper quartile.
_FENCE = 3.0


@dataclass(frozen=True, kw_only=True, eq=False)
class EffectColumn:
    """One parameter in n trials.

    Attributes:
        at: positions from 0 to 1 or, for choices, their indices, shape (n,); NaN if the parameter
            is inactive.
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
        """Return the sum of squares that it explains of the rest, shape (n,)."""
        return float(((self.columns.T @ rest[self.active]) ** 2).sum())

    def chance(self, rest: Floats) -> float:
        """Return the probability that a parameter without an effect explains as much."""
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
        """Return the rest after removing what this explains."""
        left = rest.copy()
        left[self.active] -= self.columns @ (self.columns.T @ rest[self.active])
        return left


def effect_shares(columns: Sequence[EffectColumn], costs: Floats) -> list[float] | None:
    """Return each parameter's share of what all of them explain; the sum is 1.

    Args:
        costs: of the trials, shape (n,), lower is better; not all equal.

    Returns:
        Shares; 0 for a parameter whose effect may be chance. None if that holds for all of them.
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
    """Return costs, shape (n,), clipped at the fence."""
    low, high = np.quantile(costs, [0.25, 0.75])
    fence = high + _FENCE * (high - low)
    # If most trials are equal, the quartiles say nothing about the others.
    return np.minimum(costs, fence) if high > low else costs


def _basis(column: EffectColumn) -> _Basis:
    active = ~np.isnan(column.at)
    terms = _terms(column, column.at[active])
    if not terms or active.sum() <= len(terms) + 1:
        return _Basis(active=active, columns=np.empty((int(active.sum()), 0)))
    matrix = np.stack(terms, axis=1)
    return _Basis(active=active, columns=np.linalg.qr(matrix - matrix.mean(axis=0))[0])


def _terms(column: EffectColumn, at: Floats) -> list[Floats]:
    """Return what the cost is fitted to, besides a constant; empty if the parameter is constant."""
    values = np.unique(at)
    if len(values) < 2:
        return []
    if column.is_choice:
        return [(at == value).astype(float) for value in values[1:]]
    middle = at - at.mean()
    return [middle] if len(values) == 2 else [middle, middle**2]
