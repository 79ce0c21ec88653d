"""A trial in a list, and all that is known of one."""

from __future__ import annotations

from typing import Any, Literal

from tuner.documents.document import Document
from tuner.documents.unfiled import Unfiled
from tuner.protocol import Verified

#: As `tuner.trials.states.TrialState`, in capitals as in Optuna.
TrialWord = Literal["WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL"]
#: Those of trials that have ended.
OutcomeWord = Literal["COMPLETE", "PRUNED", "FAIL"]
#: As `tuner.trials.states.AttemptState`.
AttemptWord = Literal["ready", "leased", "done", "lost", "failed", "cancelled", "revoked"]


class TrialRow(Document):
    """One trial in a list."""

    trial: int
    objective: float | None
    state: TrialWord
    cause: str | None
    params: dict[str, Any]
    metrics: dict[str, Any]
    attempts: int
    started: str | None
    finished: str | None
    duration_s: float | None
    #: Relative to the log root.
    run_dir: str | None
    #: The last step reported by its newest attempt; null: none.
    last_step: int | None


class AttemptRow(Document):
    """One execution of a trial."""

    attempt: int
    id: str
    state: AttemptWord
    cause: str | None
    error: str
    worker: str | None
    host: str | None
    started: str | None
    finished: str | None
    duration_s: float | None
    exit_status: int | None
    run_dir: str
    #: Which image ran it, and how far that was verified; null: none, or from an earlier release.
    image: str | None
    lock: str | None
    files: str | None
    image_verified: Verified | None


class ReportRow(Document):
    """One report; null stands for NaN and infinity."""

    attempt: int
    step: int
    value: float | None
    time: str | None


class EventRow(Document):
    """Something that happened to a study."""

    id: int
    time: str | None
    trial: int | None
    attempt: str | None
    kind: str
    text: str
    #: Who requested it, as user@host reported by the client; null: the service or a worker.
    actor: str | None


class TrialDetail(TrialRow):
    """Everything about a trial."""

    values: list[float]
    error: str
    seed: int
    #: SHA-256 of its code snapshot; null: the code is in the image or installed.
    code: str | None
    proposal: dict[str, Any]
    #: Why its pruner condemned it (`text`), if the pruner says so, and the underlying data.
    stop: dict[str, Any] | None
    attempt_list: list[AttemptRow]
    reports: list[ReportRow]
    events: list[EventRow]
    #: What of its runs could not be written to the log root.
    unfiled: list[Unfiled]


class LogPiece(Document):
    """A piece of a trial's output; offsets in bytes of all that was ever printed."""

    text: str
    #: With `raw`, the bytes instead of the text, which may not be UTF-8.
    base64: str | None
    next_offset: int
    size: int
    #: Number of bytes at the beginning that are no longer kept.
    gone: int
