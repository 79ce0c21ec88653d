"""How much of the differences between trials each parameter explains: main effects.

The first-order part of an analysis of variance: the cost of the trials is fitted to one parameter
alone, by a parabola over its scale or by a mean for each choice, and what that explains is the
adjusted R² (Fisher; Ezekiel 1930). Parameters are told from chance by their F tests, with the rule
of Benjamini and Hochberg (1995) for many tests, so that of three hundred parameters those of no
effect do not stand there with a share each. Costs far worse than most are cut first (Tukey's
fence), as one diverged training would otherwise be all that there is to explain.

Interactions are not seen, nor a parameter that the trials hardly vary. It needs no model and no
random numbers, and some milliseconds. docs/decisions.md has it beside PED-ANOVA, Optuna's default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from tuner.surrogate.columns import Floats

#: Of those that are named as having an effect, this share is expected to have none.
_FALSE = 0.1
#: Beyond the upper quartile by so many times the width of the quartiles, a cost is cut.
_FENCE = 3.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """One parameter of n trials.

    Attributes:
        at: positions from 0 to 1 or, of choices, their indices, shape (n,); NaN where the parameter
            is not active.
        is_choice: whether they are indices.
    """

    at: Floats
    is_choice: bool


def effect_shares(columns: Sequence[Column], costs: Floats) -> list[float] | None:
    """Return the share of each parameter in what they explain, together 1.

    Args:
        columns: of the parameters.
        costs: of the trials, shape (n,), lower is better; not all equal.

    Returns:
        0 for a parameter whose effect may be chance; None when that is so of all of them.
    """
    cut = _cut(costs)
    fits = [_explained(column, cut) for column in columns]
    kept = _beyond_chance([chance for _, chance in fits])
    found = [share if is_kept else 0.0 for (share, _), is_kept in zip(fits, kept, strict=True)]
    total = sum(found)
    return [share / total for share in found] if total > 0.0 else None


def _cut(costs: Floats) -> Floats:
    low, high = np.quantile(costs, [0.25, 0.75])
    fence = high + _FENCE * (high - low)
    # Where most trials are equal the quartiles say nothing of the others.
    return np.minimum(costs, fence) if high > low else costs


def _explained(column: Column, costs: Floats) -> tuple[float, float]:
    """Return the adjusted R² of one parameter in all trials, and how likely chance does as well."""
    active = ~np.isnan(column.at)
    at, y = column.at[active], costs[active]
    terms = _terms(column, at)
    rest = len(y) - len(terms) - 1
    spread = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
    if not terms or rest < 1 or spread <= 0.0:
        return 0.0, 1.0
    matrix = np.stack([np.ones(len(y)), *terms], axis=1)
    factors, *_ = np.linalg.lstsq(matrix, y, rcond=None)
    error = float(((y - matrix @ factors) ** 2).sum())
    adjusted = 1.0 - (error / rest) / (spread / (len(y) - 1))
    ratio = ((spread - error) / len(terms)) / max(error / rest, spread * 1e-12)
    # A parameter that is rarely active explains little of all.
    return max(0.0, adjusted) * float(active.mean()), float(
        fdtrc(len(terms), rest, max(ratio, 0.0))
    )


def _terms(column: Column, at: Floats) -> list[Floats]:
    """Return what the cost is fitted to, beside a constant; empty: the parameter does not vary."""
    values = np.unique(at)
    if len(values) < 2:
        return []
    if column.is_choice:
        return [(at == value).astype(float) for value in values[1:]]
    middle = at - at.mean()
    return [middle] if len(values) == 2 else [middle, middle**2]


def _beyond_chance(chances: Sequence[float]) -> list[bool]:
    """Return which of many tests count, by the rule of Benjamini and Hochberg."""
    ordered = sorted(chances)
    limits = [_FALSE * (rank + 1) / len(ordered) for rank in range(len(ordered))]
    passed = [at for at, limit in zip(ordered, limits, strict=True) if at <= limit]
    return [bool(passed) and chance <= passed[-1] for chance in chances]
