"""Where `asha` and `hyperband` judge first if the spec says `min_resource: auto`.

A rung that does not predict the end stops the best trials as readily as the worst. So the first
rung is at the first step whose ranks predict the end in the history's curves; if these are
inconclusive, at 6 % of a training. The length of a training is what a fixed parameter declares as
epochs, or else the longest complete trial, of this study or of those in the history with the same
code; until one is known nothing is stopped. If the study's own trials show that the rung is
uninformative, it moves up.

Decisions are made when a trial has ended, from the ended trials, and stored before they apply: so
they are the same after a restart.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from tuner.curves.early_ranks import MIN_WHOLE, is_doubtful, misleads, rank_correlation
from tuner.history.learning_curves.early import EarlyRanks

#: Fraction of a training: step 3 of 52. When training networks, ranks there usually predict the end
#: (median rank correlation over 22 tasks: .66 at step 3, 0 at step 1).
SHARE = 0.06
#: Number of consecutive trials stopped at the first rung that suggests a fault of the rung: with a
#: reduction of 3, 15 given trials are stopped by chance once in 440 times.
STREAK = 15

RungKind = Literal["given", "history", "length", "moved"]


@dataclass(frozen=True, kw_only=True)
class FirstRung:
    """A decision, as stored with the study.

    Attributes:
        step: trials are judged from this step on.
        kind: whether it was given, comes from the history or from a training's length, or was
            moved.
        length: steps of a training at the time of the decision; None: unknown.
        why: the reason in words.
        warning: why it misleads, and what to do; empty if nothing suggests so.
    """

    step: int
    kind: RungKind
    length: float | None
    why: str
    warning: str = ""

    @property
    def text(self) -> str:
        """The decision in a sentence."""
        return f"the first rung is at step {self.step}: {self.why}"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


class RungCurve:
    """The finite reports of one trial, by step."""

    def __init__(self, values: Mapping[int, float]) -> None:
        self.values = values
        self.steps = sorted(values)

    @property
    def last(self) -> int:
        """The last step; 0 if there is none."""
        return self.steps[-1] if self.steps else 0

    def at(self, rung: int) -> float | None:
        """Return the value at a rung: the first report there or later; None if there is none."""
        index = bisect_left(self.steps, rung)
        return self.values[self.steps[index]] if index < len(self.steps) else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """A trial that has ended, or runs and was judged, as input to this decision.

    Attributes:
        curve: its reports.
        final: the final value of a complete trial; None: it was stopped, or still runs.
        condemned_at: the rung at which it was condemned, if that was its first one; it may have
            continued. None: it was not.
    """

    curve: RungCurve
    final: float | None
    condemned_at: int | None


def choose(length: float | None, early: EarlyRanks | None) -> FirstRung | None:
    """Return the first rung before the study has own trials; None if no length is known."""
    if length is None:
        return None
    if early is not None and early.progress is not None and early.correlation is not None:
        step = max(1, math.ceil(early.progress * length - 1e-9))
        return FirstRung(
            step=step,
            kind="history",
            length=length,
            why=f"in {_studies(early)} ranks there predict the end "
            f"(rank correlation {early.correlation:.2f})",
        )
    step = max(1, round(SHARE * length))
    share = "the first" if step == 1 else f"{SHARE:.0%}"
    return FirstRung(
        step=step,
        kind="length",
        length=length,
        why=f"{share} of the {length:g} steps of a training, as no earlier study shows at which "
        "step ranks predict the end",
    )


def judge_rung(step: int, trials: Sequence[Seen]) -> str:
    """Return why a first rung misleads, judging by the ended trials; empty if nothing suggests so.

    Args:
        trials: in number order; those still running must be included, because trials that are
            stopped end sooner than those that continue.
    """
    correlation, whole = _correlation(step, trials)
    if misleads(correlation, whole):
        text = f"over {whole} whole trials the ranks at step {step} tell little of the end"
        return f"{text} (rank correlation {correlation:.2f})"
    last = trials[-STREAK:]
    if len(last) == STREAK and all(trial.condemned_at == step for trial in last):
        return f"the last {STREAK} trials were all too bad to pass the first rung, step {step}"
    return ""


def move(
    present: FirstRung, problem: str, trials: Sequence[Seen], length: float | None, factor: int
) -> FirstRung:
    """Return where a misleading first rung moves: to the next one that is more promising.

    Args:
        present: that misleads.
        problem: why, as returned by `judge_rung`.
        trials: as for `judge_rung`.
        length: steps of a training; None: unknown.
        factor: ratio of two successive rungs.
    """
    step = present.step * factor
    while length is not None and step < length and is_doubtful(*_correlation(step, trials)):
        step *= factor
    why = f"moved from step {present.step}, as {problem}"
    return FirstRung(step=step, kind="moved", length=length, why=why)


def _correlation(step: int, trials: Sequence[Seen]) -> tuple[float, int]:
    """Return the rank correlation of a step with the end, and the number of trials used."""
    found = [
        (value, trial.final)
        for trial in trials
        # A value at the end itself predicts nothing.
        if trial.final is not None
        and trial.curve.last > step
        and (value := trial.curve.at(step)) is not None
    ]
    if len(found) < MIN_WHOLE:
        return 0.0, len(found)
    values, final = (np.array(column, dtype=float) for column in zip(*found, strict=True))
    return rank_correlation(values, final), len(found)


def _studies(early: EarlyRanks) -> str:
    studies = "1 earlier study" if early.studies == 1 else f"{early.studies} earlier studies"
    return f"{studies} ({early.trials} trials)"
