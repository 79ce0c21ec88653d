"""What a study's pruner saved, and what that may have cost."""

from __future__ import annotations

from tuner.documents.document import Document


class Saved(Document):
    """What pruning saved, against running each stopped trial to its end at its own speed."""

    epochs: float
    hours: float
    #: Of all that would have been trained.
    share: float


class Lost(Document):
    """Which share of the would-be winners was stopped, by the condemned trials that ran on."""

    share: float
    #: 80 % of the posterior lie between these.
    low: float
    high: float
    #: How many of those that ran on came out among the best.
    good: int
    #: How many trials were found that are among the best.
    winners: int


class Rung(Document):
    """Where `asha` or `hyperband` judges first."""

    #: Null while it is not known.
    step: int | None
    why: str
    #: Why it misleads, and what to do; else empty.
    warning: str


class PruningAccount(Document):
    """What a study's pruner saved, and what that may have cost."""

    #: As the spec names it; another package may have brought it.
    pruner: str
    stopped: int
    #: Condemned trials that ran on to see whether that was right, and have ended.
    ran_on: int
    #: Null: not known, as no trial has run to its end.
    saved: Saved | None
    #: Null: not known, as nothing that was condemned ran on.
    lost: Lost | None
    first_rung: Rung | None
    #: Why it stopped nothing; empty: it did, or no trial has ended.
    idle: str
