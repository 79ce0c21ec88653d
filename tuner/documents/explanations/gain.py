"""What the history gained."""

from __future__ import annotations

from typing import Literal

from tuner.documents.document import Document


class Range(Document):
    """A median and the range of the middle 80 %."""

    median: float
    low: float
    high: float


class GainMark(Document):
    """The best after so many trials: of the study, and of a cold start."""

    trials: int
    best: float
    cold: Range


class Gain(Document):
    """An estimate of what history gained, against a simulated cold start."""

    method: str
    trials: int
    #: How many of these were chosen by the history.
    chosen: int
    best: float
    #: Number of trials that the study needed to reach the goal.
    reached_at: int
    #: The study's best value, or what cold starts reach in as many trials, if that is worse.
    goal: float
    cold_trials: Range
    #: Negative: this many trials were lost.
    saved: Range
    #: `none`: the history chose no trial, so it gained nothing.
    verdict: Literal["saved", "even", "cost", "none"]
    #: The share of cold starts that did not reach the goal within `within` trials; they count as if
    #: they had reached it just then.
    not_reached: float
    within: int
    #: In the metric's unit.
    curve: list[GainMark]
