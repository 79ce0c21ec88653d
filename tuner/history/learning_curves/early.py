"""From when on the ranks of trials predict those at the end, in the curves of history.

The studies are those that inform the sampler. Of each, the trials that ran to their end count, if
at least half did: the survivors of a pruner are similar early on, and would count against any rung.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.curves.early_ranks import correlations, first_cell
from tuner.curves.runs import CELLS
from tuner.errors import StudyError
from tuner.history.choosing.finding import FoundHistory
from tuner.history.learning_curves.curve_prior import HALF, MAX_STUDIES
from tuner.history.learning_curves.curves import StudyCurves, read_study
from tuner.history.store.database import HistoryStore
from tuner.spec.model import StudySpec
from tuner.surrogate.columns import Floats


@dataclass(frozen=True, kw_only=True)
class EarlyRanks:
    """From when on ranks predict the end.

    Attributes:
        progress: share of a training, in (0, 1]; None: the curves do not show it.
        correlation: the mean rank correlation with the end there; None if `progress` is.
        studies: number of studies that were read.
        trials: number of their trials that ran to their end.
        horizon: the longest complete curve of studies with the same code, in steps; None: no such
            study.
    """

    progress: float | None
    correlation: float | None
    studies: int
    trials: int
    horizon: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Read:
    by_cell: Floats
    whole: int
    longest: float
    tells: bool


def find_early_ranks(
    store: HistoryStore, spec: StudySpec, found: FoundHistory, cache: MutableMapping[Any, Any]
) -> EarlyRanks:
    """Return from when on ranks predict the end of a study's trials.

    Args:
        spec: spec of the study that learns; its first metric counts.
        found: the result of `find` for it.
        cache: from earlier calls, for all studies; it is added to.
    """
    metric = spec.metrics[0]
    receipts = [r for r in found.receipts if r.metric == metric.name and not r.left_out]
    receipts.sort(key=lambda r: (not r.listed, not r.same_data, -(r.finished or 0.0), r.key))
    reads: list[_Read] = []
    horizon: list[float] = []
    for receipt in receipts[:MAX_STUDIES]:
        there = receipt.metric_there or metric.name
        key = (receipt.key, found.versions[receipt.key], there, metric.goal)
        if key not in cache:
            try:
                curves = read_study(store.load(receipt.key), there, metric.goal)
            except StudyError:
                continue
            cache[key] = None if isinstance(curves, str) else _read(curves)
        read: _Read | None = cache[key]
        if read is None:
            continue
        if receipt.same_code:
            horizon.append(read.longest)
        if read.tells:
            reads.append(read)
    first = first_cell([(read.by_cell, read.whole) for read in reads])
    return EarlyRanks(
        progress=None if first is None else (first[0] + 1) / CELLS,
        correlation=None if first is None else first[1],
        studies=len(reads),
        trials=sum(read.whole for read in reads),
        horizon=max(horizon, default=None),
    )


def _read(curves: StudyCurves) -> _Read:
    # In `final` only complete trials have a number.
    whole = np.flatnonzero(np.isfinite(curves.final))
    by_cell, count = correlations(curves.values[whole], curves.final[whole])
    return _Read(
        by_cell=by_cell,
        whole=count,
        longest=curves.longest,
        tells=count >= HALF * len(curves.runs),
    )
