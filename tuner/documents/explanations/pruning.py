"""What a study's pruner saved, and what that may have cost."""

from __future__ import annotations

from tuner.documents.document import Document


class Saved(Document):
    """What pruning saved, against running each stopped trial to its end at its own speed."""

    epochs: float
    hours: float
    #: Share of all training without pruning.
    share: float


class Lost(Document):
    """Which share of the would-be winners was stopped, by the condemned trials that ran on."""

    share: float
    #: Between these lies 80 % of the posterior.
    low: float
    high: float
    #: Number of those that continued and ended among the best.
    good: int
    #: Number of trials found that are among the best.
    winners: int


class Rung(Document):
    """Where `asha` or `hyperband` judges first."""

    #: Null while it is not known.
    step: int | None
    why: str
    #: Why it misleads, and what to do; otherwise empty.
    warning: str


class PruningAccount(Document):
    """What a study's pruner saved, and what that may have cost."""

    #: As named in the spec; it may come from another package.
    pruner: str
    stopped: int
    #: Condemned trials that continued as a check and have ended.
    ran_on: int
    #: Null: not known, because no trial has run to its end.
    saved: Saved | None
    #: Null: not known, because no condemned trial continued.
    lost: Lost | None
    first_rung: Rung | None
    #: Why it stopped nothing; empty: it did, or no trial has ended.
    idle: str
