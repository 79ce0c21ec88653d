"""How many workers are of use."""

from __future__ import annotations

from tuner.documents.document import Document
from tuner.protocol import Device


class Wanted(Document):
    """How many workers could be used now."""

    #: For what runs, for what waits to be claimed, and for what could be proposed at once.
    workers_wanted: int
    running: int
    #: Attempts that may be claimed now.
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
    #: How many each worker owns, exactly.
    gpus: int
    #: Null: any will do.
    image: str | None
    reason: str
    #: Those that want most, first; at most 100.
    studies: list[DemandStudy]
    studies_left_out: int


class WorkerDemand(Wanted, Present):
    """How many workers the studies could use now, and of which kinds."""

    reason: str
    kinds: list[DemandKind]
