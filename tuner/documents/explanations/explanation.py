"""What a study knew from history, and how it used it."""

from __future__ import annotations

from typing import Any, Literal

from tuner.documents.document import Document
from tuner.documents.explanations.gain import Gain
from tuner.documents.explanations.pruning import PruningAccount
from tuner.documents.trial import TrialWord


class SourceReceipt(Document):
    """What of a study of the history was used for a metric of this study, and why not all."""

    key: str
    kind: str | None
    #: Path, or URL without password; for a study of this service, its name.
    locator: str
    metric: str
    #: The metric's name there; null: it has none.
    metric_there: str | None
    metric_note: str
    listed: bool
    #: The place listed in the spec, if its runs were already known from elsewhere.
    found_at: str
    same_data: bool
    same_code: bool
    found: int
    used: int
    #: The others by reason.
    dropped: dict[str, int]
    #: How much it was to count, according to the user and its data.
    weight: float
    #: What was done to each parameter, by name.
    parameters: dict[str, str]
    #: Why nothing of it is used; empty if something is.
    left_out: str


class Source(SourceReceipt):
    """A study of the history for a metric of this study: what was used, and what it counts."""

    finished: str | None
    #: Its share of the history's prediction, from 0 to 1.
    share: float
    #: Correlation with the other sources' predictions; null if there are none.
    agreement: float | None


class ArtifactUse(Document):
    """What a sampler knew from history for some time, and the trials proposed with it."""

    artifact: str
    learnt: str | None
    proposals: int
    first_trial: int | None
    last_trial: int | None
    #: Shares of the sources by metric and key.
    shares: dict[str, dict[str, float]]


class Expectation(Document):
    """What was expected of a trial, in the metric's unit; null: no model expected anything."""

    predicted: float | None
    #: A 90 % interval; in records of earlier releases, two thirds.
    predicted_low: float | None
    predicted_high: float | None
    #: What the model without history expected there.
    predicted_cold: float | None


class ExplainedProposal(Expectation):
    """Who chose a trial, and what was expected of it in the metric's unit."""

    trial: int
    state: TrialWord
    cause: str | None
    objective: float | None
    #: By metric; empty if the trial had no result.
    values: dict[str, float | None]
    #: False: the trial was pruned, and its value is the last report before that.
    is_final: bool
    sampler: str
    preparation: Literal["ready", "waited", "stale", "missed"] | None
    artifact: str | None
    model: str | None
    #: In the history, from 0 to 1.
    trust: float | None


class Explanation(Document):
    """What a study knew from history, how it used it, and what that gained."""

    study: str
    sampler: str
    #: `auto`, `none`, or the list in the spec.
    history: str | list[dict[str, Any]]
    state: Literal["informed", "cold", "unused", "pending"]
    summary: str
    problem: str
    artifact: str | None
    learnt: str | None
    took_s: float | None
    sources: list[Source]
    artifacts: list[ArtifactUse]
    proposals: list[ExplainedProposal]
    gain: Gain | None
    #: What the pruner that uses the history knew and did; null: there is none.
    pruning: dict[str, Any] | None
    #: What the pruner saved, and what that may have cost; null: the study has none.
    pruning_account: PruningAccount | None
