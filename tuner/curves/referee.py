"""Decides whether to stop a trial, from its rank and the history, as far as that is trusted.

The decision is a function of the trials in number order with their reports and marks, and of the
`CurveBelief`: whatever is kept between two decisions only makes them faster. A mark records that a
decision condemned a trial, whether it was stopped or continued as an audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.curves import gate
from tuner.curves.belief import CurveBelief, CurveRank, bins_of, chances
from tuner.curves.population import PEERS, same_chance
from tuner.curves.runs import LAST, CurveRun, Runs, stack, standings
from tuner.surrogate.columns import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """One trial of the study, as far as it has run.

    Attributes:
        run: its curve; None if nothing can be compared.
        final: the final value if it ran to its end, smaller is better; None if it did not (yet).
        has_ended: whether its data can no longer change.
        condemned: the history's prediction, when it was condemned, that it would end in the best
            half; None if it was not condemned.
    """

    run: CurveRun | None
    final: float | None = None
    has_ended: bool = False
    condemned: float | None = None


@dataclass(frozen=True, kw_only=True)
class PruneVerdict:
    """A decision and its reasons.

    Attributes:
        condemned: whether the probability is below what is allowed.
        count: index of this condemned trial within the study, from 1; 0 if not condemned.
        audited: whether it continues, in order to check the history's prediction.
        standing: the trial's rank.
        chance: the history's probability that it ends in the best `top`.
        half: the history's probability that it ends in the best half.
        used: `chance` after taking the trust into account.
        trust: in the history, from 0 to 1.
    """

    condemned: bool
    count: int
    audited: bool
    standing: CurveRank
    chance: float
    half: float
    used: float
    trust: float

    @property
    def stops(self) -> bool:
        """Whether the trial must end."""
        return self.condemned and not self.audited


class Referee:
    """Decides about the trials of one study.

    Args:
        belief: what the history's learning curves say.
        confidence: a trial is condemned if its probability of ending in the best `top` is below 1 -
            `confidence`.
    """

    def __init__(self, belief: CurveBelief, confidence: float) -> None:
        self.belief = belief
        self.confidence = confidence
        #: The history's predictions for trials that have ended after all earlier ones: they are
        #: final.
        self._foresight: dict[int, float] = {}

    def forget(self) -> None:
        """Clear the caches: the trials have changed."""
        self._foresight.clear()

    def judge(self, entries: Sequence[Entry], number: int) -> PruneVerdict:
        """Decide about a trial that has reported and was not condemned before.

        Args:
            entries: all trials of the study, in number order.
        """
        run = entries[number].run
        if run is None:
            raise ValueError(f"trial {number} has reported nothing")
        peers = [e.run for i, e in enumerate(entries) if i != number and e.run is not None]
        cells = np.array([run.reported])
        better, of = standings(run, stack(peers), cells)
        standing = CurveRank(
            cell=run.reported,
            better=float(better[0]),
            of=int(of[0]),
            place=self._place(run, run.reported),
            same=self._same([place for _, place in self._places(entries)]),
        )
        return self._verdict(entries, standing)

    def _verdict(self, entries: Sequence[Entry], standing: CurveRank) -> PruneVerdict:
        belief = self.belief
        chance, half = chances(belief, standing)
        trust = self.trust(entries)
        used = trust * chance + (1.0 - trust) * belief.top
        condemned = trust >= gate.LEAST and used < 1.0 - self.confidence
        count = 1 + sum(entry.condemned is not None for entry in entries) if condemned else 0
        same_data = belief.population is not None
        return PruneVerdict(
            condemned=condemned,
            count=count,
            audited=condemned and gate.is_audited(count, same_data=same_data),
            standing=standing,
            chance=chance,
            half=half,
            used=used,
            trust=trust,
        )

    def trust(self, entries: Sequence[Entry]) -> float:
        """Return how far the history is trusted after the outcomes so far; see `gate`."""
        done = [(i, e.final) for i, e in enumerate(entries) if e.final is not None]
        condemned = sum(entry.condemned is not None for entry in entries)
        audited = sum(entries[i].condemned is not None for i, _ in done)
        stands_for = condemned / audited if audited else 1.0
        weights = [stands_for if entries[i].condemned is not None else 1.0 for i, _ in done]
        said = self._said(entries, [i for i, _ in done])
        known = [at for at, value in enumerate(said) if value is not None]
        return gate.trust(
            np.array([said[at] for at in known], dtype=float),
            np.array([done[at][1] for at in known], dtype=float),
            np.array([weights[at] for at in known]),
            same_data=self.belief.population is not None,
        )

    def _said(self, entries: Sequence[Entry], done: Sequence[int]) -> list[float | None]:
        """Return the prediction for each finished trial at its worst moment; None if unknown."""
        numbered = [(i, e.run) for i, e in enumerate(entries) if e.run is not None]
        everyone = stack([run for _, run in numbered])
        of_number = np.array([i for i, _ in numbered], dtype=np.int64)
        settled = next((i for i, e in enumerate(entries) if not e.has_ended), len(entries))
        places = self._places(entries)
        said: list[float | None] = []
        for number in done:
            entry = entries[number]
            if entry.condemned is not None or entry.run is None:
                said.append(entry.condemned)
                continue
            value = self._foresight.get(number)
            if value is None:
                earlier = everyone.first_of(int(np.searchsorted(of_number, number)))
                same = self._same([place for i, place in places if i < number])
                value = self._worst_half(entry.run, earlier, same)
                if number < settled:
                    self._foresight[number] = value
            said.append(value)
        return said

    def _worst_half(self, run: CurveRun, earlier: Runs, same: float) -> float:
        """Return the lowest probability of the best half predicted for a trial before its end.

        Its peers are the earlier trials as they stand now, so later calls get the same result.
        """
        cells = run.cells[run.cells < LAST]
        if not len(cells):
            return 0.5
        better, of = standings(run, earlier, cells)
        bins = bins_of(better, of)
        population = self.belief.population
        if population is not None:
            found = [population.place(cell, float(run.best[cell])) for cell in cells.tolist()]
            there = np.array([place is not None for place in found])
            joined = bins_of(better + PEERS * np.array([p or 0.0 for p in found]), of + PEERS)
            share = np.where(there, same, 0.0)[:, None]
            bins = share * joined + (1.0 - share) * bins
        half: Floats = (bins * self.belief.half[cells]).sum(axis=1)
        return float(half.min())

    def _place(self, run: CurveRun, cell: int) -> float | None:
        population = self.belief.population
        return None if population is None else population.place(cell, float(run.best[cell]))

    def _places(self, entries: Sequence[Entry]) -> list[tuple[int, float]]:
        """Return number and place of each ended trial, where both are known."""
        ended = [(i, e.run) for i, e in enumerate(entries) if e.has_ended and e.run is not None]
        found = [(i, self._place(run, run.last)) for i, run in ended]
        return [(i, place) for i, place in found if place is not None]

    def _same(self, places: Sequence[float]) -> float:
        """Return the probability of one population with the studies on the same data."""
        return 0.0 if self.belief.population is None else same_chance(places)
