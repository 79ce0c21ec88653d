"""What two studies of one spec found, with and without history, and how they compare."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The results of a cold and a warm study with the same seed, in the order of their trials.

    Each is the metric of a trial, larger is better; both have the same length.
    """

    cold: Sequence[float]
    warm: Sequence[float]

    @property
    def lead(self) -> float:
        """How much better the warm study's best was, on average over its trials."""
        gains = [
            warm - cold
            for warm, cold in zip(best_so_far(self.warm), best_so_far(self.cold), strict=True)
        ]
        return statistics.fmean(gains)

    @property
    def caught_up_after(self) -> int | None:
        """After how many trials the warm study had the cold one's best; None: never."""
        target = max(self.cold)
        return next((n for n, best in enumerate(best_so_far(self.warm), 1) if best >= target), None)


def best_so_far(values: Sequence[float]) -> list[float]:
    """Return the best of the first n values, for every n."""
    best: list[float] = []
    for value in values:
        best.append(max([value, *best[-1:]]))
    return best


def medians(studies: Sequence[Sequence[float]]) -> list[float]:
    """Return the median over studies of the best after n trials, for every n."""
    return [statistics.median(at) for at in zip(*map(best_so_far, studies), strict=True)]


def verdict(pairs: Sequence[Pair]) -> str:
    """Return in a sentence whether history was worth something, and how sure that is."""
    ahead = sum(pair.lead > 0 for pair in pairs)
    behind = sum(pair.lead < 0 for pair in pairs)
    trials = len(pairs[0].cold)
    count = f"{ahead} of {len(pairs)} pairs" if len(pairs) > 1 else "the only pair"
    if ahead <= behind:
        lost = f"ahead in {ahead} of {len(pairs)} pairs, behind in {behind}"
        return f"No gain: with history the study was {lost}."
    cold, warm = medians([p.cold for p in pairs])[0], medians([p.warm for p in pairs])[0]
    after = int(statistics.median_low([p.caught_up_after or trials + 1 for p in pairs]))
    caught = (
        f"and had the cold study's best of {trials} trials after {after}"
        if after <= trials
        else f"though it did not reach the cold study's best within {trials} trials"
    )
    few = "" if len(pairs) >= 5 else "; few pairs, so take it as an example"
    return (
        f"Gain in {count}: with history the study began at {warm:.3f} instead of {cold:.3f}, "
        f"{caught}{few}."
    )
