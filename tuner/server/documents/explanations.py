"""The JSON documents that say what a study knew and why its trials were proposed, as schemas."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tuner.server.documents.studies import PruningAccount, Schema, TrialState


class Took(Schema):
    """How long a trial took, seconds; from its first report to its last, with two of them."""

    seconds: float
    reporting: float | None


class RecordedTrial(Schema):
    """A trial with the record of its proposal; a number that is not finite is its name."""

    trial: int
    params: dict[str, Any]
    proposal: dict[str, Any]
    #: Its place in the order in which results entered; null while it has none.
    told: int | None
    state: Literal["COMPLETE", "PRUNED", "FAIL"] | None
    cause: str | None
    values: list[float | Literal["nan", "inf", "-inf"]]
    #: Pairs of step and value.
    curve: list[tuple[int, float | Literal["nan", "inf", "-inf"]]]
    #: Null where it tells nothing: of a trial that failed for another cause than its time limit.
    took: Took | None


class ImportantParameter(Schema):
    """A tuned parameter, and its share of what all explain, null while that is not known."""

    name: str
    share: float | None


class Edge(Schema):
    """A parameter whose best value, and most of the good ones, lie at the same end of its range."""

    name: str
    value: Any
    end: Literal["low", "high"]
    low: Any
    high: Any


class Importance(Schema):
    """Which parameters explain the differences between the trials of a study (main effects)."""

    study: str
    #: Trials that were looked at, and how many of them count as the best where `edges` are sought.
    trials: int
    best: int
    #: Why nothing is known; else empty.
    why: str
    #: Those that matter first, then in the order of the spec.
    parameters: list[ImportantParameter]
    edges: list[Edge]


class Source(Schema):
    """A study of the history and a metric of this study: what of it was used, and why not all."""

    key: str
    kind: str | None
    #: Path, or URL without password; of a study of this service its name.
    locator: str
    metric: str
    #: The same as it is called there; null: it has none.
    metric_there: str | None
    metric_note: str
    listed: bool
    #: The place that the spec lists, when its runs were known from elsewhere already.
    found_at: str = ""
    same_data: bool
    same_code: bool
    finished: str | None
    found: int
    used: int
    #: The others by reason.
    dropped: dict[str, int]
    #: How much it was to count, by the user's word and its data.
    weight: float
    #: Its share of what history says, from 0 to 1.
    share: float
    #: Correlation with what the other sources say; null where there are none.
    agreement: float | None
    #: What was done to a parameter, by name.
    parameters: dict[str, str]
    #: Why nothing of it is used; empty when something is.
    left_out: str


class ArtifactUse(Schema):
    """What a sampler knew from history for some time, and the trials proposed with it."""

    artifact: str
    learnt: str | None
    proposals: int
    first_trial: int | None
    last_trial: int | None
    #: Shares of the sources by metric and key.
    shares: dict[str, dict[str, float]]


class ExplainedProposal(Schema):
    """Who chose a trial, and what was expected of it in the metric's unit."""

    trial: int
    state: TrialState
    cause: str | None
    objective: float | None
    #: By metric; empty where nothing came of it.
    values: dict[str, float | None]
    #: False: the trial was pruned, and its value is the last report before that.
    is_final: bool
    sampler: str
    preparation: Literal["ready", "waited", "stale", "missed"] | None
    artifact: str | None
    model: str | None
    #: In history, from 0 to 1.
    trust: float | None
    predicted: float | None
    #: Nine of ten values were to lie between; by records of earlier releases two of three.
    predicted_low: float | None
    predicted_high: float | None
    #: What the model without history expected there.
    predicted_cold: float | None


class Range(Schema):
    """A median and the range of the middle 80 %."""

    median: float
    low: float
    high: float


class GainMark(Schema):
    """The best after so many trials: of the study, and of a cold start."""

    trials: int
    best: float
    cold: Range


class Gain(Schema):
    """An estimate of what history gained, against a simulated cold start."""

    method: str
    trials: int
    #: How many of these history chose.
    chosen: int
    best: float
    reached_at: int
    #: The study's best value, or what cold starts come to in as many trials, where that is less.
    goal: float
    cold_trials: Range
    #: Negative: so many trials were lost.
    saved: Range
    #: `none`: history chose no trial, so that it gained nothing.
    verdict: Literal["saved", "even", "cost", "none"]
    not_reached: float
    within: int
    curve: list[GainMark]


class Explanation(Schema):
    """What a study knew from history, how it used it, and what that gained."""

    study: str
    sampler: str
    #: `auto`, `none`, or the list of the spec.
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
    #: What the pruner that asks history knew and did; null: there is none.
    pruning: dict[str, Any] | None
    #: What the pruner saved, and what that may have cost; null: the study has none.
    pruning_account: PruningAccount | None = None


class NearTrial(Schema):
    """A historic trial near a proposal."""

    study: str
    kind: str
    locator: str
    trial: str
    #: Relative to the log root; null for imports.
    run_dir: str | None
    params: dict[str, Any]
    metric: str | None
    value: float | None
    distance: float


class EarlierTrial(Schema):
    """The best trial that a proposal knew."""

    trial: int
    objective: float | None


class Driver(Schema):
    """A parameter that makes a proposal worth a trial, and what is expected with it put back."""

    name: str
    value: Any
    there: Any
    #: Whether it is where it is for a better value; false: for what is learnt there.
    gains: bool
    expected: float
    expected_low: float
    expected_high: float


class NearestValue(Schema):
    """The value nearest to one that is new, and its trial; null: there is none."""

    trial: int | None
    value: Any


class ParameterChange(Schema):
    """A parameter beside the same of the best trial that was known."""

    name: str
    value: Any
    there: Any
    #: Much the same.
    same: bool
    #: Null: something like this value was tried before.
    nearest: NearestValue | None


class TrialExplanation(ExplainedProposal):
    """Why a trial was proposed."""

    study: str
    params: dict[str, Any]
    why: str
    #: The same at length, in sentences; empty where no model chose.
    because: list[str]
    #: Share of the expected improvement that is owed to what is not known, from 0 to 1.
    exploring: float | None
    against: EarlierTrial | None
    drivers: list[Driver]
    changes: list[ParameterChange]
    told: int
    pending: list[int]
    seed: int
    #: How often the sampler was asked before; null: an earlier release did not record it.
    try_: Annotated[int | None, Field(alias="try")]
    retry_of: int | None
    acquisition: float | None
    #: What the models said, on their own scale.
    z: dict[str, float | None]
    nearest: list[NearTrial]
    #: As in `tuner.server.documents.studies.TrialDetail`.
    stop: dict[str, Any] | None


class Proposals(Schema):
    """What the proposals of a study can be made again from."""

    study: str
    seed: int
    spec: dict[str, Any]
    #: Number of trials that there are; `trials` holds a page of them.
    total: int
    trials: list[RecordedTrial]
