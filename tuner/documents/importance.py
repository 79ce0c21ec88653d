"""Which parameters matter."""

from __future__ import annotations

from typing import Any, Literal

from tuner.documents.document import Document

End = Literal["low", "high"]


class ImportantParameter(Document):
    """A tuned parameter, and its share of what all explain, null while that is not known."""

    name: str
    share: float | None


class Edge(Document):
    """A parameter whose best value, and most of the good ones, lie at the same end of its range."""

    name: str
    value: Any
    end: End
    low: Any
    high: Any


class Weighed(Document):
    """What the parameters of a study explain, and which best values lie at an end."""

    #: Number of trials that count as the best in the search for `edges`.
    best: int
    #: Why nothing is known; otherwise empty.
    why: str
    #: Important ones first, then in the order of the spec.
    parameters: list[ImportantParameter]
    edges: list[Edge]


class Importance(Weighed):
    """Which parameters explain the differences between the trials of a study (main effects)."""

    study: str
    #: Number of trials examined.
    trials: int
