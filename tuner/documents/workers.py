"""The workers, and the answers to requests about them."""

from __future__ import annotations

from typing import Literal

from tuner.documents.document import Document
from tuner.protocol import Verified

#: As `tuner.trials.states.WorkerState`, and what users have to know first.
WorkerWord = Literal["starting", "idle", "busy", "stopping", "draining", "out of service"]


class WorkerRow(Document):
    """A live worker."""

    name: str
    host: str
    pid: int
    #: `external`: it executes the trials of a single study, whose name is given as its image.
    device: Literal["cpu", "gpu", "external"]
    #: Several are separated by commas.
    device_id: str | None
    #: Number of GPUs that it owns.
    gpus: int
    state: WorkerWord
    #: Why it is leaving or out of service; otherwise empty.
    reason: str
    out_since: str | None
    study: str | None
    trial: int | None
    attempt: int | None
    last_seen: str | None
    image: str | None
    #: What it reports of this image (the hash of its lock file, and of what is installed), how far
    #: it is verified that it runs in it, and why the report is not trusted; empty: it is.
    lock: str | None
    files: str | None
    image_verified: Verified | None
    image_problem: str
    release: str


class Tested(Document):
    """A worker that was asked to test itself."""

    worker: str
    state: str


class Drained(Document):
    """A worker that takes no further attempt."""

    worker: str
    state: str
