"""The JSON document of how many workers are of use, as a schema."""

from __future__ import annotations

from typing import Literal

from tuner.server.documents.studies import Schema


class DemandStudy(Schema):
    """How many workers one study could use now."""

    study: str
    #: For what runs, for what waits to be claimed, and for what could be proposed at once.
    workers_wanted: int
    running: int
    #: Attempts that may be claimed now.
    queued: int
    reason: str


class DemandKind(Schema):
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


class DemandDocument(Schema):
    """How many workers the studies could use now, and of which kinds."""

    workers_wanted: int
    running: int
    queued: int
    workers: int
    idle: int
    reason: str
    kinds: list[DemandKind]
