"""What the stopped trials would have reached: one model over configuration and progress.

Each report at a rung is one row: the point, the trial's progress, and its standing there among all
trials. The lengthscale of the progress expresses how well an early standing predicts the final one;
the points express for which configurations it does.
"""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.samplers.bayesian.stopping.curve import ProgressCurve, as_judged, in_epochs, rungs_of
from tuner.samplers.bayesian.stopping.hurdles import hurdles, is_starved
from tuner.samplers.bayesian.stopping.standing import Standings, standings
from tuner.surrogate.columns import Columns, Floats, Numbers
from tuner.surrogate.gaussian.gp import fit_gp
from tuner.surrogate.gaussian.subset import choose_subset
from tuner.surrogate.history.foretelling import Foretelling
from tuner.surrogate.search.acquisition import LogFeasibility
from tuner.surrogate.warp import Scale

#: Maximum number of rows that the model is fitted to. When there are more, each trial keeps only
#: its furthest rung; if that is still too many, the best, the newest and some spread over the space
#: are kept.
_ROWS = 260
#: Minimum variance of an expected final value, in units of z.
_FLOOR = 0.02


@dataclass(frozen=True, eq=False)
class Ends:
    """How trials ended, or would have: arrays of shape (n,) in the order of the curves.

    Attributes:
        z: final standing, smaller is better.
        extra: variance of z, 0 for trials that ran to their end.
        scale: transforms z back to objective values.
        hurdles: the probability of passing the rungs, when no recent trial has.
    """

    z: Floats
    extra: Floats
    scale: Scale
    hurdles: LogFeasibility | None = None


def expected_ends(
    columns: Columns,
    x: Floats,
    curves: Sequence[ProgressCurve],
    memory: MutableMapping[str, Any] | None = None,
    foretelling: Foretelling | None = None,
) -> Ends | None:
    """Return the final values of trials: observed, or expected where a trial was stopped.

    Args:
        columns: describes the columns of the points.
        x: points of the trials, shape (n, d).
        curves: the learning curves of the same trials, each with a report or a final value.
        memory: a cache that is valid until the next result arrives; it only saves time.
        foretelling: how well intermediate values predict final ones, according to history.

    Returns:
        None if no trial was stopped: the final values are all there is.
    """
    if all(curve.final is not None for curve in curves):
        return None
    if memory is None:
        return _ends(columns, x, curves, foretelling)
    key = columns, foretelling, _digest(x, curves)
    known: tuple[Any, Ends | None] = memory.get("ends", (None, None))
    if known[0] != key:
        known = key, _ends(columns, x, curves, foretelling)
        memory["ends"] = known
    return known[1]


def _digest(x: Floats, curves: Sequence[ProgressCurve]) -> bytes:
    found = hashlib.sha256(x.tobytes())
    for curve in curves:
        found.update(repr((curve.number, sorted(curve.reports.items()), curve.final)).encode())
    return found.digest()


def _ends(
    columns: Columns, x: Floats, curves: Sequence[ProgressCurve], foretelling: Foretelling | None
) -> Ends:
    curves = as_judged(in_epochs(curves))
    known = standings(curves, rungs_of(curves), foretelling)
    z, extra = np.full(len(curves), np.nan), np.zeros(len(curves))
    at_end = known.progress == 1.0
    z[known.row[at_end]] = known.z[at_end]
    stopped = np.isnan(z)
    passing = None
    if stopped.any():
        rows = _rows(columns, x, known)
        wider = Columns((*columns.kinds, "real"), (*columns.sizes, 0))
        places = np.column_stack([x[known.row[rows]], known.progress[rows]])
        model = fit_gp(wider, places, known.z[rows])
        mean, std = model.predict(np.column_stack([x[stopped], np.ones(int(stopped.sum()))]))
        z[stopped], extra[stopped] = mean, np.maximum(std**2, _FLOOR)
        passing = hurdles(model, known, curves) if is_starved(curves) else None
    return Ends(z, extra, known.scale, passing)


def _rows(columns: Columns, x: Floats, known: Standings) -> Numbers:
    """Return the indices of the rows to fit the model to."""
    if len(known.row) <= _ROWS:
        return np.arange(len(known.row))
    furthest = np.zeros(int(known.row.max()) + 1)
    np.maximum.at(furthest, known.row, known.progress)
    rows = np.flatnonzero(known.progress == furthest[known.row])
    if len(rows) <= _ROWS:
        return rows
    # Trials that came furthest are the most informative; among equals, the best.
    told = known.z[rows] - 10.0 * known.progress[rows]
    return rows[choose_subset(columns, x[known.row[rows]], told, known.row[rows], _ROWS)]
