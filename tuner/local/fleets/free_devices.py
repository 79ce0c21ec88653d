"""What of this host, and of the service, other workers than ours have already."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from tuner.local.fleets.devices import list_gpus
from tuner.local.fleets.fleet import Fleet, FleetState, all_fleets
from tuner.settings import Settings

if TYPE_CHECKING:
    from tuner.documents.workers import WorkerRow


#: Nobody means more workers on one host than this.
MAX_WORKERS = 1024
_AT_WORK = ("starting", "idle", "busy")


class Others:
    """The workers that are not ours. Mutable: it remembers the names that ours have had.

    Args:
        fleet: ours.
    """

    def __init__(self, settings: Settings, fleet: Fleet) -> None:
        self._settings = settings
        self._fleet = fleet
        #: The service lists one that has died for a while.
        self._own: set[str] = set()

    def count(self, rows: Sequence[WorkerRow], device: str, gpus: int, own: FleetState) -> int:
        """Return how many workers of others there are for the same trials.

        Args:
            rows: the workers that the service knows.
            device: of ours.
            gpus: how many GPUs each of ours owns.
            own: the state of ours.
        """
        self._own |= {str(worker["name"]) for worker in own.workers}
        names = {
            str(row["name"])
            for row in rows
            if row["device"] == device and row["gpus"] == gpus and row["state"] in _AT_WORK
        }
        # Those of this host that have just been started, and that the service has not met.
        for worker in self._local():
            uuids = _uuids(worker)
            is_alike = len(uuids) == gpus
            if is_alike and worker.get("state") in _AT_WORK and worker.get("pid"):
                names.add(str(worker["name"]))
        return len(names - self._own)

    def devices(self) -> set[str]:
        """Return the GPUs that workers of this home's other commands own."""
        return {uuid for worker in self._local() for uuid in _uuids(worker)}

    def _local(self) -> list[dict[str, object]]:
        fleets = [f for f in all_fleets(self._settings) if f.name != self._fleet.name]
        states = [fleet.state() for fleet in fleets]
        return [worker for state in states if state is not None for worker in state.workers]


def free_room(gpus: str, per_worker: int, taken: Collection[str]) -> int:
    """Return how many workers the GPUs here allow that nobody else has.

    A supervisor gives its GPUs out from the first on, so they count up to the first that is taken.

    Args:
        gpus: "all", or UUIDs with commas.
        per_worker: GPUs of each.
        taken: UUIDs of those that others have.
    """
    uuids = list_gpus() if gpus == "all" else [uuid.strip() for uuid in gpus.split(",")]
    room = 0
    while len(group := uuids[room * per_worker : (room + 1) * per_worker]) == per_worker:
        if not set(group).isdisjoint(taken):
            break
        room += 1
    return room


def _uuids(worker: dict[str, object]) -> list[str]:
    return [uuid for uuid in str(worker.get("device", "")).partition(":")[2].split(",") if uuid]
