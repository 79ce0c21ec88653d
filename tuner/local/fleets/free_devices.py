"""What other workers than ours already use of this host, and of the service."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from tuner.local.fleets.devices import list_gpus
from tuner.local.fleets.fleet import Fleet, FleetState, all_fleets
from tuner.settings import Settings

if TYPE_CHECKING:
    from tuner.documents.workers import WorkerRow


#: Maximum number of workers on one host; nobody needs more.
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
        #: A worker that has died stays in the service's list for a while.
        self._own: set[str] = set()

    def count(self, rows: Sequence[WorkerRow], device: str, gpus: int, own: FleetState) -> int:
        """Return the number of other workers for the same trials.

        Args:
            rows: the workers that the service knows.
            device: of our workers.
            gpus: number of GPUs that each of ours owns.
            own: the state of our fleet.
        """
        self._own |= {str(worker["name"]) for worker in own.workers}
        names = {
            str(row["name"])
            for row in rows
            if row["device"] == device and row["gpus"] == gpus and row["state"] in _AT_WORK
        }
        # Those of this host that have just started, so that the service does not know them yet.
        for worker in self._local():
            uuids = _uuids(worker)
            is_alike = len(uuids) == gpus
            if is_alike and worker.get("state") in _AT_WORK and worker.get("pid"):
                names.add(str(worker["name"]))
        return len(names - self._own)

    def devices(self) -> set[str]:
        """Return the GPUs owned by workers of this home's other commands."""
        return {uuid for worker in self._local() for uuid in _uuids(worker)}

    def _local(self) -> list[dict[str, object]]:
        fleets = [f for f in all_fleets(self._settings) if f.name != self._fleet.name]
        states = [fleet.state() for fleet in fleets]
        return [worker for state in states if state is not None for worker in state.workers]


def free_room(gpus: str, per_worker: int, taken: Collection[str]) -> int:
    """Return the number of workers that can run on the GPUs here not used by others.

    A supervisor assigns its GPUs from the first on, so they count up to the first one in use.

    Args:
        gpus: "all", or UUIDs separated by commas.
        per_worker: GPUs of each worker.
        taken: UUIDs used by others.
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
