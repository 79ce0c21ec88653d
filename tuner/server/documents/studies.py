"""The JSON documents of the API, as schemas. Field names are a contract: scripts read them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

TrialState = Literal["WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL"]


class Schema(BaseModel):
    """A JSON document, or a part of one."""

    # A field that the service adds and this file forgets would be dropped silently otherwise.
    model_config = ConfigDict(extra="forbid")


class Counts(Schema):
    """Number of trials by state."""

    waiting: int
    running: int
    complete: int
    pruned: int
    fail: int


class Best(Schema):
    """The best trial; with several metrics `objective` is null, `pareto` the size of the front."""

    trial: int
    objective: float | None
    pareto: int | None = None


class Budget(Schema):
    """The limits of a study and what is used of them."""

    trials: int | None
    used: int
    hours: float | None
    used_hours: float
    target: float | None
    patience: int | None


class Metric(Schema):
    """A metric and where it should go."""

    name: str
    goal: Literal["maximize", "minimize"]


class Saved(Schema):
    """What pruning saved, against running each stopped trial to its end at its own speed."""

    epochs: float
    hours: float
    #: Of all that would have been trained.
    share: float


class Lost(Schema):
    """Which share of the would-be winners was stopped, by the condemned trials that ran on."""

    share: float
    #: 80 % of the posterior lie between these.
    low: float
    high: float
    #: How many of those that ran on came out among the best.
    good: int
    #: How many trials were found that are among the best.
    winners: int


class Rung(Schema):
    """Where `asha` or `hyperband` judges first."""

    #: Null while it is not known.
    step: int | None
    why: str
    #: Why it misleads, and what to do; else empty.
    warning: str


class PruningAccount(Schema):
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


class Unfiled(Schema):
    """What could not be written, or removed, below log root or checkpoint root."""

    #: Of a root, all studies wait; checkpoints could not be removed (`trial.keep`).
    kind: Literal["run", "study", "checkpoints", "root"]
    trial: int | None
    #: Paths in it are those below the root.
    reason: str
    #: Whether the file system has not answered yet.
    waiting: bool
    tries: int
    since: str | None
    next_try: str | None


class UnfiledList(Schema):
    """How much could not be written or removed, and the first of it."""

    total: int
    first: list[Unfiled]


class Status(Schema):
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
    #: Null: it has no pruner, and in lists.
    pruning: PruningAccount | None = None
    #: Null: nothing is missing, and in lists.
    unfiled: UnfiledList | None = None
    #: Why its rows cannot be read: then counts and the rest are empty; null: they can.
    fault: str | None = None


class Trial(Schema):
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
    #: The last step that its newest attempt reported; null: none.
    last_step: int | None = None


class Attempt(Schema):
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
    #: Which image ran it, and how far that was proven; null: none, or of an earlier release.
    image: str | None = None
    lock: str | None = None
    files: str | None = None
    image_verified: Literal["stated", "token", "lock", "files"] | None = None


class Report(Schema):
    """One report; null stands for NaN and infinity."""

    attempt: int
    step: int
    value: float | None
    time: str | None


class Event(Schema):
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
    #: Why its pruner condemned it (`text`), if it says so, and what that rests on.
    stop: dict[str, Any] | None
    attempt_list: list[Attempt]
    reports: list[Report]
    events: list[Event]
    #: What of its runs could not be written to the log root.
    unfiled: list[Unfiled] = []


class Log(Schema):
    """A piece of a trial's output; offsets in bytes of all that was ever printed."""

    text: str
    #: With `raw`, the bytes in place of the text, which may not be UTF-8.
    base64: str | None = None
    next_offset: int
    size: int
    #: So much of the beginning is not kept any more.
    gone: int = 0


class Change(Schema):
    """One difference between the stored and the submitted spec."""

    key: str
    old: Any
    new: Any
    #: What changed, a line each, where the values say little: files and lines of code.
    detail: list[str] | None = None


class NotTaken(Schema):
    """Submitted files that differ from those that the study's trials run."""

    #: Modules of the objective, a line each.
    code: list[str]
    other_files: list[str]


class Submitted(Schema):
    """What a submission led to."""

    study: str
    state: str
    created: bool
    changes: list[Change]
    #: Only where something was not taken.
    not_taken: NotTaken | None = None


class Edited(Schema):
    """What an edit has changed; a key that had its value already is not among them."""

    study: str
    state: str
    changes: list[Change]


class Retried(Schema):
    """The failed trials whose configurations are being tried again, and what the spec changed."""

    retried: list[int]
    changes: list[Change]


class Kept(Schema):
    """A folder of a deleted study that is still there."""

    path: str
    reason: str


class Deleted(Schema):
    """What was removed."""

    deleted: bool
    log_dirs: list[str]
    #: What could not be removed, or not yet.
    kept: list[Kept] = []
