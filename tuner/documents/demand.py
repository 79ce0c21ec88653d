"""How many workers could be used."""

from __future__ import annotations

from tuner.documents.document import Document
from tuner.protocol import Device


class Wanted(Document):
    """How many workers could be used now."""

    #: For running trials, for those waiting to be claimed, and for those that could be proposed
    #: now.
    workers_wanted: int
    running: int
    #: Attempts that can be claimed now.
    queued: int


class Present(Document):
    """How many workers are there, and may run some of the studies.

    Those of another kind that may as well count here too.
    """

    workers: int
    idle: int


class DemandStudy(Wanted):
    """How many workers one study could use now."""

    study: str
    reason: str


class DemandKind(Wanted, Present):
    """How many workers of one kind the studies could use now."""

    device: Device
    #: Number of GPUs that each worker must own, exactly.
    gpus: int
    #: Null: any image will do.
    image: str | None
    reason: str
    #: At most 100, those that want the most workers first.
    studies: list[DemandStudy]
    studies_left_out: int


class WorkerDemand(Wanted, Present):
    """How many workers the studies could use now, and of which kinds."""

    reason: str
    kinds: list[DemandKind]
