"""Whether ranks early in training predict the final ranks.

Symbols: n trials that ran to their end, m studies, G = `CELLS` cells of progress; r, the rank
correlation of an intermediate value with the final one; z = artanh(r), whose variance is about
1 / (n - 3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tuner.curves.runs import CELLS, cell_of, ranks
from tuner.surrogate.columns import Floats

#: Minimum number of complete trials for a statement about a study.
MIN_WHOLE = 5
#: Minimum correlation at which a rung predicts the end well enough to stop trials there.
ENOUGH = 0.6
#: Likelihood ratio from which on a rung is misleading: of "ranks there are unrelated to the end" to
#: "their correlation is `ENOUGH`".
ODDS = 10.0
_MOST = 0.999
#: Standard deviation of z between studies, until there are several to estimate it from.
_BETWEEN = 0.2


def rank_correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's correlation of two samples, (n,); 0 if one of them is constant."""
    if len(first) < 2:
        return 0.0
    a, b = ranks(first) - 0.5, ranks(second) - 0.5
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 0.0 else 0.0


def misleads(correlation: float, whole: int) -> bool:
    """Whether a rung misleads, judging by the rank correlation of `whole` trials; see `ODDS`."""
    return _against(correlation, whole) > math.log(ODDS)


def is_doubtful(correlation: float, whole: int) -> bool:
    """Whether the trials are evidence against a rung rather than for it."""
    return _against(correlation, whole) > 0.0


def _against(correlation: float, whole: int) -> float:
    """Return the log likelihood ratio of "unrelated to the end" to `ENOUGH`."""
    if whole < MIN_WHOLE:
        return 0.0
    z, enough = _fisher(correlation), math.atanh(ENOUGH)
    return 0.5 * (whole - 3.0) * ((z - enough) ** 2 - z**2)


def values_at(curve: Mapping[int, float], horizon: float) -> Floats:
    """Return the value that a rung in each cell sees, (G,): the first report there or later.

    Args:
        curve: finite values by step.
        horizon: number of steps of a complete trial, above 0.
    """
    values = np.full(CELLS, np.nan)
    begin = 0
    for step in sorted(curve):
        cell = cell_of(step, horizon)
        values[begin : cell + 1] = curve[step]
        begin = max(begin, cell + 1)
    return values


def correlations(values: Floats, final: Floats) -> tuple[Floats, int]:
    """Return, for each cell, the rank correlation of the values there with the final ones.

    Args:
        values: (n, G) of trials of one study that ran to their end; see `values_at`.
        final: (n,) their final values, oriented the same way.

    Returns:
        (G,), NaN where fewer than `MIN_WHOLE` had reported; and n.
    """
    found = np.full(CELLS, np.nan)
    for cell in range(CELLS):
        there = np.isfinite(values[:, cell])
        if there.sum() >= MIN_WHOLE:
            found[cell] = rank_correlation(values[there, cell], final[there])
    return found, len(values)


def first_cell(by_study: Sequence[tuple[Floats, int]]) -> tuple[int, float] | None:
    """Return the first cell at which ranks predict the end in studies like these.

    A cell does if the mean z over the studies, minus its standard error, is at least
    artanh(`ENOUGH`): a few curves suffice only if they are clear.

    Args:
        by_study: as `correlations` returns them, m.

    Returns:
        The cell and the mean correlation there; None: no such cell in the first half.
    """
    for cell in range(CELLS // 2):
        found = [(_fisher(r[cell]), n) for r, n in by_study if not math.isnan(r[cell])]
        if not found:
            continue
        z = np.array([z for z, _ in found])
        within = np.array([1.0 / max(1.0, n - 3.0) for _, n in found])
        between = max(float(np.var(z)) if len(z) > 2 else 0.0, _BETWEEN**2)
        weights = 1.0 / (within + between)
        mean = float(np.average(z, weights=weights))
        if mean - 1.0 / math.sqrt(float(weights.sum())) >= math.atanh(ENOUGH):
            return cell, math.tanh(mean)
    return None


def _fisher(correlation: float) -> float:
    return math.atanh(min(_MOST, max(-_MOST, correlation)))
