"""The JSON documents of the API, as schemas. Field names are a contract: scripts read them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

TrialState = Literal["WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL"]


class _Document(BaseModel):
    # A field that the service adds and this file forgets would be dropped silently otherwise.
    model_config = ConfigDict(extra="forbid")


class Counts(_Document):
    """Number of trials by state."""

    waiting: int
    running: int
    complete: int
    pruned: int
    fail: int


class Best(_Document):
    """The best trial; with several metrics `objective` is null, `pareto` the size of the front."""

    trial: int
    objective: float | None
    pareto: int | None = None


class Budget(_Document):
    """The limits of a study and what is used of them."""

    trials: int | None
    used: int
    hours: float | None
    used_hours: float
    target: float | None
    patience: int | None


class Metric(_Document):
    """A metric and where it should go."""

    name: str
    goal: Literal["maximize", "minimize"]


class Status(_Document):
    """The state of a study."""

    study: str
    state: Literal["running", "paused", "stopping", "finished", "failed", "cancelled"]
    reason: str
    counts: Counts
    best: Best | None
    workers: int
    budget: Budget
    metrics: list[Metric]
    parallel: int | None
    created: str | None
    started: str | None
    finished: str | None


class Trial(_Document):
    """One trial in a list."""

    trial: int
    objective: float | None
    state: TrialState
    cause: str | None
    params: dict[str, Any]
    metrics: dict[str, Any]
    attempts: int
    started: str | None
    finished: str | None
    duration_s: float | None
    #: Relative to the log root.
    run_dir: str | None


class Attempt(_Document):
    """One execution of a trial."""

    attempt: int
    id: str
    state: Literal["ready", "leased", "done", "lost", "failed", "cancelled", "revoked"]
    cause: str | None
    error: str
    worker: str | None
    host: str | None
    started: str | None
    finished: str | None
    duration_s: float | None
    exit_status: int | None
    run_dir: str


class Report(_Document):
    """One report; null stands for NaN and infinity."""

    attempt: int
    step: int
    value: float | None
    time: str | None


class Event(_Document):
    """Something that happened to a study."""

    id: int
    time: str | None
    trial: int | None
    attempt: str | None
    kind: str
    text: str
    #: Who asked for it, as user@host says of itself; null: the service or a worker.
    actor: str | None


class TrialDetail(Trial):
    """Everything about a trial."""

    values: list[float]
    error: str
    seed: int
    #: SHA-256 of its code snapshot; null: the code is in the image or installed.
    code: str | None
    proposal: dict[str, Any]
    #: Why the pruner that asks history condemned it (`text`), and what that rests on.
    stop: dict[str, Any] | None
    attempt_list: list[Attempt]
    reports: list[Report]
    events: list[Event]


class RecordedTrial(_Document):
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


class Source(_Document):
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


class ArtifactUse(_Document):
    """What a sampler knew from history for some time, and the trials proposed with it."""

    artifact: str
    learnt: str | None
    proposals: int
    first_trial: int | None
    last_trial: int | None
    #: Shares of the sources by metric and key.
    shares: dict[str, dict[str, float]]


class ExplainedProposal(_Document):
    """Who chose a trial, and what was expected of it in the metric's unit."""

    trial: int
    state: TrialState
    objective: float | None
    sampler: str
    preparation: Literal["ready", "waited", "stale", "missed"] | None
    artifact: str | None
    model: str | None
    #: In history, from 0 to 1.
    trust: float | None
    predicted: float | None
    #: A deviation below and above, on the scale of the models.
    predicted_low: float | None
    predicted_high: float | None
    #: What the model without history expected there.
    predicted_cold: float | None


class Range(_Document):
    """A median and the range of the middle 80 %."""

    median: float
    low: float
    high: float


class GainMark(_Document):
    """The best after so many trials: of the study, and of a cold start."""

    trials: int
    best: float
    cold: Range


class Gain(_Document):
    """An estimate of what history gained, against a simulated cold start."""

    method: str
    trials: int
    best: float
    reached_at: int
    #: The value that counts as having come near the best.
    goal: float
    cold_trials: Range
    saved: Range
    not_reached: float
    within: int
    curve: list[GainMark]


class Explanation(_Document):
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


class NearTrial(_Document):
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


class TrialExplanation(ExplainedProposal):
    """Why a trial was proposed."""

    study: str
    params: dict[str, Any]
    why: str
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
    #: As in `TrialDetail`.
    stop: dict[str, Any] | None


class Proposals(_Document):
    """What the proposals of a study can be made again from."""

    study: str
    seed: int
    spec: dict[str, Any]
    #: Number of trials that there are; `trials` holds a page of them.
    total: int
    trials: list[RecordedTrial]


class Log(_Document):
    """A piece of a trial's output; offsets in bytes."""

    text: str
    next_offset: int
    size: int


class Worker(_Document):
    """A live worker."""

    name: str
    host: str
    pid: int
    device: Literal["cpu", "gpu"]
    device_id: str | None
    state: Literal["idle", "busy", "stopping", "draining", "out of service"]
    #: Why it leaves or is out of service; else empty.
    reason: str
    out_since: str | None
    study: str | None
    trial: int | None
    attempt: int | None
    last_seen: str | None
    image: str | None
    release: str


class Change(_Document):
    """One difference between the stored and the submitted spec."""

    key: str
    old: Any
    new: Any


class Submitted(_Document):
    """What a submission led to."""

    study: str
    state: str
    created: bool
    changes: list[Change]


class Edited(_Document):
    """What an edit has changed; a key that had its value already is not among them."""

    study: str
    state: str
    changes: list[Change]


class Retried(_Document):
    """The failed trials whose configurations are being tried again, and what the spec changed."""

    retried: list[int]
    changes: list[Change]


class Deleted(_Document):
    """What was removed."""

    deleted: bool
    log_dirs: list[str]


class Tested(_Document):
    """A worker that was asked to test itself."""

    worker: str
    state: str


class Drained(_Document):
    """A worker that takes no further attempt."""

    worker: str
    state: str
