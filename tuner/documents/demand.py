"""How many workers are of use."""

from __future__ import annotations

from typing import Literal

from tuner.documents.document import Document


class DemandStudy(Document):
    """How many workers one study could use now."""

    study: str
    #: For what runs, for what waits to be claimed, and for what could be proposed at once.
    workers_wanted: int
    running: int
    #: Attempts that may be claimed now.
    queued: int
    reason: str


class DemandKind(Document):
    """How many workers of one kind the studies could use now."""

    device: Literal["cpu", "gpu"]
    #: How many each worker owns, exactly.
    gpus: int
    #: Null: any will do.
    image: str | None
    workers_wanted: int
    running: int
    queued: int
    #: Workers that are there and may run some of the studies; those of another kind that may as
    #: well count here too.
    workers: int
    idle: int
    reason: str
    #: Those that want most, first; at most 100.
    studies: list[DemandStudy]
    studies_left_out: int


class WorkerDemand(Document):
    """How many workers the studies could use now, and of which kinds."""

    workers_wanted: int
    running: int
    queued: int
    workers: int
    idle: int
    reason: str
    kinds: list[DemandKind]
