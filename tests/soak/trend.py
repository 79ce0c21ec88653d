"""Whether a series grows: its slope over the second part of the soak, with an uncertainty."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import stats

#: The first part is the filling of caches and of what is kept.
WARM_UP = 0.25
#: Means of so many blocks: a study's life is a wave, and neighbours within it are alike. Several
#: numbers of them, as one alone may keep time with the waves.
BLOCKS = (7, 8, 9, 10, 11)
#: A growth below it is none, whatever is sure: share of the level, per hour.
NEGLIGIBLE = 0.01

Verdict = Literal["flat", "grows", "falls", "unclear"]


@dataclass(frozen=True, kw_only=True)
class Trend:
    """What became of one number.

    Attributes:
        level: mean after the warm-up.
        low, high: after the warm-up.
        slope: per hour.
        error: half of the slope's interval of 95 %.
    """

    level: float
    low: float
    high: float
    slope: float
    error: float

    @property
    def per_hour(self) -> float:
        """The slope as a share of the level."""
        return self.slope / abs(self.level) if self.level else math.copysign(1.0, self.slope)

    @property
    def verdict(self) -> Verdict:
        """Say "grows" only where that is both sure and not negligible.

        "unclear" is what may grow by more than is negligible and may as well be flat.
        """
        floor = NEGLIGIBLE * abs(self.level)
        if self.slope - self.error > 0 and self.slope > floor:
            return "grows"
        if self.slope + self.error < 0 and -self.slope > floor:
            return "falls"
        return "flat" if abs(self.slope) <= floor else "unclear"


def trend(hours: Sequence[float], values: Sequence[float]) -> Trend | None:
    """Return the trend of a series, None while it is too short.

    For every number of `BLOCKS`, least squares through the blocks' means, with Student's interval;
    of these the medians.

    Args:
        hours: when each value was taken, growing.
        values: as many.
    """
    begin = hours[0] + WARM_UP * (hours[-1] - hours[0]) if hours else 0.0
    kept = [(hour, value) for hour, value in zip(hours, values, strict=True) if hour >= begin]
    if len(kept) < 2 * max(BLOCKS):
        return None
    fits = [_fit(kept, blocks) for blocks in BLOCKS]
    tail = [value for _, value in kept]
    return Trend(
        level=sum(tail) / len(tail),
        low=min(tail),
        high=max(tail),
        slope=statistics.median(slope for slope, _ in fits),
        error=statistics.median(error for _, error in fits),
    )


def _fit(kept: Sequence[tuple[float, float]], count: int) -> tuple[float, float]:
    """Return the slope through the means of `count` blocks, and half of its interval of 95 %."""
    edges = [round(n * len(kept) / count) for n in range(count + 1)]
    blocks = [kept[a:b] for a, b in itertools.pairwise(edges)]
    x = [sum(hour for hour, _ in block) / len(block) for block in blocks]
    y = [sum(value for _, value in block) / len(block) for block in blocks]
    fit = stats.linregress(x, y)
    # Points that lie on their line, or are all the same, give no number.
    stderr = float(fit.stderr) if math.isfinite(fit.stderr) else 0.0
    return float(fit.slope), stderr * float(stats.t.ppf(0.975, count - 2))
