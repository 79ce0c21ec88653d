"""The workers, and what was asked of them."""

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
    #: `external`: it executes one study's trials alone, whose name is its image.
    device: Literal["cpu", "gpu", "external"]
    #: Of several GPUs, with commas between.
    device_id: str | None
    #: How many GPUs it owns.
    gpus: int
    state: WorkerWord
    #: Why it leaves or is out of service; else empty.
    reason: str
    out_since: str | None
    study: str | None
    trial: int | None
    attempt: int | None
    last_seen: str | None
    image: str | None
    #: What it says of this image (the hash of its lock file, and of what is installed), how far it
    #: is proven that it runs in it, and why that is not believed; empty: it is.
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
