"""What a fault is, and the catalogue of all of them."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.stack import Kind, Stack
from tests.support.processes import peak_mb, start_peak

#: What faults keep to themselves while they last, so that each does what its name says.
SERVERS, FLEETS, REDIS, DATABASE, LOGS = "servers", "fleets", "redis", "database", "logs"
#: What a server may take more while it is attacked, MB; a new leader reads all trials.
MORE_MB = 150
EVERYTHING = frozenset({SERVERS, FLEETS, REDIS, DATABASE, LOGS})


class Fault(ABC):
    """One fault of the schedule. Mutable: it begins once and ends once.

    Args:
        stack: what it harms.
        chance: decides what exactly, by the fault's own seed.
    """

    #: What no other fault may touch meanwhile.
    needs: frozenset[str] = frozenset()
    #: How long it may go without effect, seconds; then it ends, and is tried again later.
    patience_s = 6.0

    def __init__(self, stack: Stack, chance: random.Random) -> None:
        self.stack = stack
        self.chance = chance
        #: What was harmed and how, for people.
        self.said = ""

    @abstractmethod
    def begin(self) -> bool:
        """Do the harm; False: it is not possible at present, to be tried again."""

    def has_struck(self) -> bool:
        """Whether it has harmed something by now; until then it lasts, and is asked again."""
        return True

    def end(self) -> None:  # noqa: B027 - most leave nothing to be undone
        """Undo it."""


class Greedy(Fault):
    """A fault that would have a server take all memory; those that live through it must not."""

    def watch_memory(self) -> None:
        """Begin to measure."""
        pids = [server.pid for server in self.stack.servers if server.is_running]
        self._before = {pid: start_peak(pid) for pid in pids}

    def check_memory(self) -> None:
        """Note what a server took above what it had."""
        for pid, before in self._before.items():
            if (more := peak_mb(pid) - before) > MORE_MB:
                what = f"{type(self).__name__} {self.said}".rstrip()
                self.stack.violations.append(f"{what}: server {pid} took {more:.0f} MB more")


@dataclass(frozen=True, kw_only=True)
class FaultKind:
    """An entry of the catalogue.

    Attributes:
        make: makes one of the kind.
        lasts: bounds of its duration, seconds.
        kinds: databases that it exists on.
        takes_trials: whether it strikes only when many trials end meanwhile: it does not come last.
    """

    make: Callable[[Stack, random.Random], Fault]
    lasts: tuple[float, float] = (0.0, 0.0)
    kinds: tuple[Kind, ...] = ("sqlite", "postgresql")
    takes_trials: bool = False


def make_catalogue() -> dict[str, FaultKind]:
    """Return every kind of fault by its name: outages and what else happens, and attacks."""
    # Each of them knows this module.
    from tests.chaos import faults_files, faults_network, faults_processes, faults_stores

    return {
        **faults_processes.KINDS,
        **faults_stores.KINDS,
        **faults_network.KINDS,
        **faults_files.KINDS,
        **make_attacks(),
    }


def make_attacks() -> dict[str, FaultKind]:
    """Return the kinds that a trial, a user or a stranger causes."""
    from tests.chaos import faults_planting, faults_strangers, faults_users, faults_wakeups

    return {
        **faults_planting.KINDS,
        **faults_users.KINDS,
        **faults_strangers.KINDS,
        **faults_wakeups.KINDS,
    }
