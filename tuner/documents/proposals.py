"""The data from which a study's proposals can be reproduced."""

from __future__ import annotations

from typing import Any

from tuner.documents.document import Document
from tuner.documents.trial import OutcomeWord
from tuner.protocol import WireNumber


class Took(Document):
    """How long a trial took, seconds; from its first report to its last, with two of them."""

    seconds: float
    reporting: float | None


class RecordedTrial(Document):
    """A trial with the record of its proposal; a number that is not finite is its name."""

    trial: int
    params: dict[str, Any]
    proposal: dict[str, Any]
    #: Its place in the order in which results were told to the sampler; null while it has none.
    told: int | None
    state: OutcomeWord | None
    cause: str | None
    values: list[WireNumber]
    #: Pairs of step and value.
    curve: list[tuple[int, WireNumber]]
    #: Null if it has no meaning: for a trial that failed for a cause other than its time limit.
    took: Took | None


class Proposals(Document):
    """What the proposals of a study can be made again from."""

    study: str
    seed: int
    spec: dict[str, Any]
    #: Total number of trials; `trials` contains one page of them.
    total: int
    trials: list[RecordedTrial]
