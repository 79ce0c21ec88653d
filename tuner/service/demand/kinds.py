"""What a worker must be to run some studies' trials, and the existing workers."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.integrity.values import wrong_values
from tuner.protocol import Device
from tuner.storage import tables
from tuner.trials.kinds import Needy, Owner, needed_image, owned_gpus
from tuner.trials.states import WorkerState
from tuner.trials.store.columns import columns
from tuner.trials.store.demand import live_workers


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a worker must be to run some studies' trials."""

    device: Device
    #: Exact number of GPUs that it owns; 0 for the CPU.
    gpus: int
    #: None: any image.
    image: str | None

    @property
    def order(self) -> tuple[str, int, str]:
        """The key that kinds are sorted by."""
        return self.device, self.gpus, self.image or ""


@dataclass(frozen=True, kw_only=True)
class Like:
    """Limits an answer to what one sort of worker could run; None: no limit."""

    device: str | None = None
    gpus: int | None = None
    #: Its image; empty: it has none.
    image: str | None = None

    def may_run(self, kind: Kind) -> bool:
        """Whether such a worker could run the trials of a kind."""
        fits = self.device in (None, kind.device) and self.gpus in (None, kind.gpus)
        if not fits or self.image is None or kind.image is None:
            return fits
        # If a token is bound to a digest only, the studies determine the name of the image.
        return self.image in (kind.image, kind.image.rpartition("@")[2])


#: Matches whatever any worker could run.
ANY = Like()


@dataclass(frozen=True, kw_only=True)
class AbleWorker:
    """A live worker that may be given trials, now or soon."""

    name: str
    device: Device
    gpus: int
    image: str | None
    is_idle: bool
    #: None: all projects.
    projects: frozenset[str] | None

    def fits(self, kind: Kind) -> bool:
        """Whether it meets what the trials of a kind need."""
        is_alike = (self.device, self.gpus) == (kind.device, kind.gpus)
        return is_alike and kind.image in (None, self.image)

    def serves(self, projects: frozenset[str]) -> bool:
        """Whether its token is valid for one of these projects."""
        return self.projects is None or not projects.isdisjoint(self.projects)


def kind_of(study: Needy) -> Kind:
    """Return the kind of worker that a study's trials need."""
    return Kind(device=_device(study), gpus=owned_gpus(study), image=needed_image(study))


def able_workers(connection: sa.Connection, now: float) -> list[AbleWorker]:
    """Return the live workers that are in service and not draining."""
    return [
        AbleWorker(
            name=worker.name,
            device=_device(worker),
            gpus=owned_gpus(worker),
            image=worker.image,
            is_idle=worker.state is WorkerState.IDLE,
            projects=_projects(worker.projects_json),
        )
        for worker in live_workers(connection, now)
        # One that cannot be read does not remove others from the count.
        if is_sound(tables.workers, worker)
    ]


def is_sound(table: sa.Table, part: Any) -> bool:
    """Whether a row's values have the right types, as far as a dataclass uses them."""
    return next(wrong_values(table, columns(dataclasses.asdict(part))), None) is None


def _device(owner: Owner) -> Device:
    # External studies and their processes never get here.
    return "gpu" if owner.device == "gpu" else "cpu"


def _projects(text: str) -> frozenset[str] | None:
    projects = json.loads(text)
    return None if projects is None else frozenset(projects)
