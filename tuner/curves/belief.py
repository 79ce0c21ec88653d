"""What earlier studies' learning curves say, in the form that a study's pruner keeps: only arrays.

Symbols: G cells of progress, Q quantile bins, T points in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tuner.curves.population import LEVELS, PEERS, Population
from tuner.curves.runs import CELLS
from tuner.curves.table import BINS, EDGES
from tuner.surrogate.columns import Floats, Numbers
from tuner.surrogate.serialisation import digest, pack, unpack

_VERSION = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class CurveBelief:
    """The curves of several studies, combined.

    Attributes:
        top: the fraction of a study's trials that counts as good.
        chance: (G, Q) P(a trial ends in the best `top`), by progress and quantile.
        half: (G, Q) the same for the best half: compared with outcomes.
        population: of the studies on the same data; None if there are none.
        studies: number of studies.
        trials: number of their trials.
        horizon: steps of the longest complete curve among studies with the same code; None if there
            are no such studies.
    """

    top: float
    chance: Floats
    half: Floats
    population: Population | None
    studies: int
    trials: int
    horizon: float | None

    @cached_property
    def key(self) -> str:
        """SHA-256 of the content."""
        return digest(self._arrays(), self._about())

    def to_bytes(self) -> bytes:
        """Return the content as npz, without pickle."""
        return pack(self._arrays(), self._about())

    @classmethod
    def from_bytes(cls, content: bytes) -> CurveBelief:
        """Return the object that `to_bytes` serialized.

        Raises:
            ValueError: the content is damaged or of another version.
        """
        arrays, about = unpack(content)
        if about.pop("version", None) != _VERSION:
            raise ValueError("what the curves of history say is of another version")
        values = arrays.pop("population", None)
        parts: dict[str, Any] = {**arrays, **about}
        try:
            belief = cls(population=None if values is None else Population(values), **parts)
        except TypeError as exc:
            raise ValueError(f"not what the curves of history say: {exc}") from exc
        belief._check()
        return belief

    def _check(self) -> None:
        shapes = [self.chance.shape, self.half.shape]
        levels = None if self.population is None else self.population.values.shape
        if shapes != [(CELLS, BINS)] * 2 or levels not in (None, (CELLS, LEVELS)):
            raise ValueError(f"curves of history of the shapes {shapes}, {levels}")

    def _about(self) -> dict[str, Any]:
        names = ("top", "studies", "trials", "horizon")
        return {"version": _VERSION, **{name: getattr(self, name) for name in names}}

    def _arrays(self) -> dict[str, Floats]:
        arrays = {"chance": self.chance, "half": self.half}
        if self.population is not None:
            arrays["population"] = self.population.values
        return arrays


def bins_of(better: Floats, of: Floats | Numbers) -> Floats:
    """Return the probability of each quantile bin (T, Q) if r of n peers are better, (T,) each.

    After r of n independent peers were better, the quantile's posterior from a uniform prior is
    Beta(r + 1, n - r + 1): without peers it covers the whole range, so few peers lead to caution by
    themselves.
    """
    # The import takes a quarter of a second, and most studies have another pruner.
    from scipy.special import betainc

    below = betainc(better[:, None] + 1.0, of[:, None] - better[:, None] + 1.0, EDGES[None, :])
    return np.diff(below, axis=1)


@dataclass(frozen=True, kw_only=True)
class CurveRank:
    """A trial's rank at a moment.

    Attributes:
        cell: its progress.
        better: number of its peers that are better there, in steps of one half.
        of: number of peers that could be compared.
        place: its quantile among the trials on the same data; None if there are none.
        same: the probability that those share one population with it.
    """

    cell: int
    better: float
    of: int
    place: float | None = None
    same: float = 0.0


def chances(belief: CurveBelief, standing: CurveRank) -> tuple[float, float]:
    """Return P(the trial ends in the best `top`), and P(it ends in the best half)."""
    better, of = np.array([standing.better]), np.array([float(standing.of)])
    bins = bins_of(better, of)[0]
    if standing.place is not None and standing.same > 0.0:
        joined = bins_of(better + PEERS * standing.place, of + PEERS)[0]
        bins = standing.same * joined + (1.0 - standing.same) * bins
    top, half = bins @ belief.chance[standing.cell], bins @ belief.half[standing.cell]
    return float(min(1.0, top)), float(min(1.0, half))
