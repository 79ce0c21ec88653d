"""Scores of the trials of one source, on a scale that is comparable between studies.

| name  | meaning                                                                        |
|-------|--------------------------------------------------------------------------------|
| z     | score: the value as `compress_bad` has it: mean 0, deviation 1; small is good       |
| rung  | step at which a pruned trial stopped; its value is comparable in its rung only |
| group | the rows of one point: repeats of a configuration, or one trial at its rungs   |

A pruned trial takes the place, among the final values, of the finished trials that had its standing
at its rung. Without finished trials at that rung it comes after all final values: trials that
continued were judged better at each rung before, which is the rule of every pruner.

Scores are not ranks: an optimized study has many trials that are nearly the same and nearly as
good, and ranks would tear them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from tuner.surrogate.columns import Floats, Numbers
from tuner.surrogate.history.compression import compress_bad
from tuner.surrogate.history.source import FINAL, Source

#: Minimum number of finished trials at a rung to tell where a pruned one would have ended.
_REFERENCES = 3
#: Points that agree to this number of decimals in every column are the same.
_DECIMALS = 9
#: A position below all points of the unit cube that replaces NaN, which does not equal itself.
_NOWHERE = -1e6

#: The first sort key of a row: with a value (its own or an assigned one), then pruned trials about
#: which nothing is known, then those that failed because of their parameters.
_PLACED, _UNPLACED, _INFEASIBLE = 0.0, 1.0, 2.0
#: See `compress_bad`: half of the trials of an optimized study may be nearly the best.
_BREADTH = 0.2
#: Distance in score of the last trial without a value behind the first one.
_BEHIND = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """The distinct points of a source, best first (equal scores in the order of the points).

    `x` (n, d); `z` (n,), the mean score of a point that was tried several times; `row` (n,), the
    row of the source to quote for the point.
    """

    x: Floats
    z: Floats
    row: Numbers


def score(source: Source) -> Scored:
    """Return the distinct points of a source with their scores, whatever the order of its rows."""
    if len(source) == 0:
        return Scored(x=source.x, z=np.zeros(0), row=np.zeros(0, dtype=np.int64))
    group = _groups(source.x)
    rows = _counted_rows(source, group)
    keys = _keys(source, group, rows)
    owner = group[rows]
    z = np.bincount(owner, weights=_scores(keys)) / np.bincount(owner)
    # The first of each group, best rank first: the row that a receipt quotes.
    by_rank = np.argsort(_dense(keys), kind="stable")
    _, first = np.unique(owner[by_rank], return_index=True)
    quoted = rows[by_rank][first]
    x = source.x[quoted]
    order = np.lexsort((*np.where(np.isnan(x), _NOWHERE, x).T[::-1], z))
    return Scored(x=x[order], z=z[order], row=quoted[order])


def _groups(x: Floats) -> Numbers:
    """Return the index of each row's point, from 0, shape (n,)."""
    filled = np.round(np.where(np.isnan(x), _NOWHERE, x), _DECIMALS)
    _, group = np.unique(filled, axis=0, return_inverse=True)
    return np.asarray(group, dtype=np.int64).reshape(-1)


def _counted_rows(source: Source, group: Numbers) -> Numbers:
    """Return the rows to rank: the final ones, else those of a point's last rung."""
    # A final row comes after every rung.
    rung = np.where(source.rung == FINAL, np.iinfo(np.int64).max, source.rung)
    last = np.full(int(group.max()) + 1, np.iinfo(np.int64).min)
    np.maximum.at(last, group, rung)
    return np.flatnonzero(rung == last[group])


def _keys(source: Source, group: Numbers, rows: Numbers) -> Floats:
    """Return the sort keys of the rows, shape (len(rows), 4), each column ascending."""
    y, rung = source.y[rows], source.rung[rows]
    keys = np.zeros((len(rows), 4))
    final = rung == FINAL
    keys[:, 1] = y
    # Among equal values, ended trials come before stopped ones, and late stops before early ones.
    keys[:, 2] = np.where(final, -np.inf, -rung)
    keys[:, 3] = np.where(final, 0.0, y)
    keys[~final, 0] = _UNPLACED
    keys[~final, 1] = 0.0
    for step in np.unique(rung[~final]):
        stopped = np.flatnonzero(rung == step)
        before, after = _references(source, group, step)
        if len(after) >= _REFERENCES:
            share = np.searchsorted(np.sort(before), y[stopped]) / len(before)
            keys[stopped, 1] = np.quantile(after, np.clip(share, 0.0, 1.0))
            keys[stopped, 0] = _PLACED
    keys[np.isnan(y)] = (_INFEASIBLE, 0.0, 0.0, 0.0)
    return keys


def _references(source: Source, group: Numbers, step: int) -> tuple[Floats, Floats]:
    """Return the values at a step of the trials that ran to their end, and their final values."""
    finals: dict[int, float] = {}
    for row in np.flatnonzero((source.rung == FINAL) & ~np.isnan(source.y)):
        finals.setdefault(int(group[row]), float(source.y[row]))
    pairs = [
        (float(source.y[row]), finals[int(group[row])])
        for row in np.flatnonzero((source.rung == step) & ~np.isnan(source.y))
        if int(group[row]) in finals
    ]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _scores(keys: Floats) -> Floats:
    """Return the score of each row of keys, shape (n,); those without a value after all others."""
    placed = keys[:, 0] == _PLACED
    rank = _dense(keys)
    if not placed.any():
        return np.asarray(ndtri((rank + 0.5) / (rank.max() + 1)), dtype=np.float64)
    scores = compress_bad(np.where(placed, keys[:, 1], np.nan), breadth=_BREADTH)
    behind = rank - rank[placed].max()
    return np.where(placed, scores, scores + _BEHIND * behind / max(int(behind.max()), 1))


def _dense(keys: Floats) -> Numbers:
    """Return the rank of each row of keys, from 0; equal rows share one."""
    _, rank = np.unique(keys, axis=0, return_inverse=True)
    return np.asarray(rank, dtype=np.int64).reshape(-1)
