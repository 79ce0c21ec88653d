"""Keeps the wanted number of workers alive on this host, and ends them with itself."""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.errors import SetupError
from tuner.roots import Place
from tuner.runtime.system import parse_gpus_per_worker
from tuner.tfevents import write_json
from workers.fleet.fleet_health import state_path
from workers.fleet.slots import Slot, worker_command
from workers.host.device_sets import find_devices, parse_device
from workers.host.linux import die_with_parent
from workers.host.names import new_process_id, own_name
from workers.host.orphans import adopt_orphans, describe, end_orphans, find_orphans
from workers.host.shutdown import Shutdown
from workers.stint import StintLimits

logger = logging.getLogger(__name__)

LOOK_S = 0.5
STOP_S = 14.0
#: Seconds between updates of its state without news (`workers/fleet/fleet_health.py`).
MARK_S = 5.0
#: Maximum number of workers on one host.
MAX_WORKERS = 1024


@dataclass(frozen=True, kw_only=True)
class FleetArguments:
    """The command line of `python -m workers fleet`."""

    count: int
    #: File with the wanted number, `{"count": n}`, perhaps a new `gpus_per_worker`, and whether
    #: surplus workers leave `after_trial`; what is running is written to the same name with
    #: `.state`.
    control: Path
    #: "all", "none", or UUIDs separated by commas.
    gpus: str = "all"
    #: Number of GPUs that each worker owns.
    gpus_per_worker: int = 1
    isolation: str = "fork"
    preimport: str = "keras"
    parent: int | None = None
    #: For each worker; when all have left by themselves, the fleet has ended.
    limits: StintLimits = field(default_factory=StintLimits)


class Supervisor:
    """Supervises worker processes. Mutable: slots fill and empty.

    Args:
        arguments: from the command line.
        leave: signals of this process.

    Raises:
        SetupError: a GPU is missing.
    """

    def __init__(
        self, arguments: FleetArguments, environ: Mapping[str, str], leave: Shutdown
    ) -> None:
        self._arguments = arguments
        self._environ = environ
        self._leave = leave
        self._per_worker = arguments.gpus_per_worker
        self._devices = find_devices(arguments.gpus, self._per_worker)
        self._prefix = own_name()
        self._keeper = new_process_id()
        self._slots: list[Slot] = []
        self._after_trial = False
        self._wanted = self._allowed(arguments.count)
        self._written: dict[str, Any] | None = None
        self._mark_at = 0.0
        self._read_as: tuple[int, int] | None = None

    def run(self) -> int:
        """Supervise until a signal arrives or every slot has given up; return the exit status."""
        while not self._leave.requested:
            self._read_control()
            if self._leave.after_trial:
                self._wanted, self._after_trial = 0, True
            self._fit()
            self._write_state()
            if self._has_done():
                return 0
            if self._slots and all(slot.hopeless is not None for slot in self._slots):
                return max(slot.hopeless or 0 for slot in self._slots)
            self._wait(LOOK_S)
        self._stop()
        return 0

    def _has_done(self) -> bool:
        """Whether all workers have left after their last trial, as intended."""
        leaves = self._leave.after_trial or self._arguments.limits.is_any
        return leaves and not self._slots and self._wanted == 0

    def _fit(self) -> None:
        """Adjust the number of workers to the wanted one."""
        for slot in self._slots:
            slot.read()
        gone = [slot for slot in self._slots if slot.has_ended() and slot.is_leaving]
        self._end_orphans()
        self._slots = [slot for slot in self._slots if slot not in gone]
        self._wanted -= sum(slot.was_drained for slot in gone)
        surplus = sum(not slot.is_leaving for slot in self._slots) - self._wanted
        for slot in self._least_busy()[: max(0, surplus)]:
            slot.ask_to_leave(after_trial=self._after_trial)
        while sum(not slot.is_leaving for slot in self._slots) < self._wanted:
            if not self._add_slot():
                break
        for slot in self._slots:
            if not slot.is_leaving:
                slot.start_if_due(self._environ)

    def _end_orphans(self) -> None:
        """End what the trials of dead workers left behind."""
        own = {slot.pid for slot in self._slots if slot.pid is not None}
        if find_orphans(own):
            said = describe(end_orphans(own))
            logger.warning("processes of a dead worker's trial ended", extra={"processes": said})

    def _least_busy(self) -> list[Slot]:
        """Return the slots that stay, in the order in which they would be removed."""
        staying = [slot for slot in self._slots if not slot.is_leaving]
        return sorted(staying, key=lambda slot: (slot.state == "busy", -slot.number))

    def _add_slot(self) -> bool:
        """Add the lowest free slot; False while leaving workers still hold all devices."""
        taken = {slot.number for slot in self._slots}
        held = {uuid for slot in self._slots for uuid in slot.uuids}
        numbers = range(len(self._devices) or MAX_WORKERS + 1)
        free = [n for n in numbers if n not in taken and held.isdisjoint(self._uuids(n))]
        if not free:
            return False
        number = free[0]
        device = self._devices[number] if self._devices else "cpu"
        command = worker_command(self._arguments.isolation, self._arguments.preimport)
        command += self._arguments.limits.options()
        slot = Slot(
            number,
            device,
            command,
            self._prefix,
            self._keeper,
            # A worker that waits for another release would occupy the place of one that has it.
            may_be_renewed=not self._arguments.limits.is_any,
        )
        self._slots.append(slot)
        return True

    def _read_control(self) -> None:
        try:
            stat = self._arguments.control.stat()
            seen = stat.st_mtime_ns, stat.st_ino
            if seen == self._read_as:
                return
            wanted = json.loads(self._arguments.control.read_bytes())
            count = wanted["count"]
            per_worker = wanted.get("gpus_per_worker", self._per_worker)
            after_trial = wanted.get("after_trial", False) is True
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return
        self._read_as, self._after_trial = seen, after_trial
        self._regroup(per_worker)
        if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
            self._wanted = self._allowed(count)

    def _uuids(self, number: int) -> set[str]:
        """Return the GPUs of the slot with this number."""
        return set(parse_device(self._devices[number])[1]) if self._devices else set()

    def _regroup(self, per_worker: object) -> None:
        """Change the number of GPUs per worker; workers with another number leave when possible."""
        if per_worker == self._per_worker:
            return
        try:
            size = parse_gpus_per_worker("gpus_per_worker", str(per_worker))
            devices = find_devices(self._arguments.gpus, size)
        except SetupError as exc:
            logger.warning("workers keep their GPUs", extra={"reason": str(exc)})
            return
        self._per_worker, self._devices = size, devices
        for slot in self._slots:
            if slot.device not in devices:
                slot.ask_to_leave()

    def _running(self) -> int:
        """Reap dead workers; return how many are alive."""
        return sum(not slot.has_ended() for slot in self._slots)

    def _allowed(self, count: int) -> int:
        most = len(self._devices) or MAX_WORKERS
        if count > most:
            logger.warning("more workers wanted than devices", extra={"wanted": count, "run": most})
        return max(0, min(count, most))

    def _write_state(self) -> None:
        state = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "count": self._wanted,
            "gpus_per_worker": self._per_worker,
            "workers": [
                {
                    "name": slot.name,
                    "pid": slot.pid,
                    "slot": slot.number,
                    "device": slot.device,
                    "state": "leaving" if slot.is_leaving else slot.state,
                    "reason": slot.reason,
                }
                for slot in self._slots
            ],
        }
        if state == self._written and time.monotonic() < self._mark_at:
            return
        control = self._arguments.control
        try:
            if state == self._written:
                os.utime(state_path(control))
            else:
                write_json(Place(control.parent), state_path(control).name, state)
        except OSError as exc:
            logger.warning("state not written", extra={"reason": str(exc)})
            # The previous file is gone, or cannot be distinguished from another fleet's.
            self._written = None
            return
        self._written, self._mark_at = state, time.monotonic() + MARK_S

    def _wait(self, timeout_s: float) -> None:
        """Wait for a signal or for news from a worker."""
        poll = select.poll()
        poll.register(self._leave.fileno(), select.POLLIN)
        for slot in self._slots:
            if slot.fileno() >= 0:
                poll.register(slot.fileno(), select.POLLIN)
        poll.poll(timeout_s * 1000)
        self._leave.clear()

    def _stop(self) -> None:
        """Ask all workers to leave; kill what is left after `STOP_S` or a second signal."""
        deadline = time.monotonic() + STOP_S
        for slot in self._slots:
            slot.ask_to_leave()
        while self._running():
            if self._leave.forced or time.monotonic() > deadline:
                for slot in self._slots:
                    slot.kill()
            self._wait(0.05)
            for slot in self._slots:
                slot.read()
        self._end_orphans()
        self._slots = []
        self._write_state()


def run_fleet(arguments: FleetArguments, environ: Mapping[str, str]) -> int:
    """Supervise until asked to leave; return the exit status.

    Raises:
        SetupError: a GPU is missing.
    """
    if arguments.parent is not None:
        die_with_parent(arguments.parent)
    adopt_orphans()
    return Supervisor(arguments, environ, Shutdown()).run()
