"""What a fault is, and the catalogue of all of them."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.stack import Kind, Stack

#: What faults keep to themselves while they last, so that each does what its name says.
SERVERS, FLEETS, REDIS, DATABASE, LOGS = "servers", "fleets", "redis", "database", "logs"
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
    """Return every kind of fault by its name."""
    # Each of them knows this module.
    from tests.chaos import faults_files, faults_network, faults_processes, faults_stores

    return {
        **faults_processes.KINDS,
        **faults_stores.KINDS,
        **faults_network.KINDS,
        **faults_files.KINDS,
    }
