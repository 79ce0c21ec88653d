"""Carries the schedule out: begins and ends faults, several at a time."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.chaos.faults import Fault, FaultKind
from tests.chaos.schedule import Planned
from tests.chaos.stack import Stack

#: A fault that is not possible for so long makes room for the next one, and is tried again later.
TRY_FOR_S = 6.0
AT_ONCE = 3


@dataclass(kw_only=True)
class _Running:
    planned: Planned
    fault: Fault
    end_at: float


class Injector:
    """Mutable: it goes through the schedule.

    Args:
        stack: what is harmed.
        catalogue: every kind of fault by name.
        planned: the schedule.
        say: told of every beginning and end.
    """

    def __init__(
        self,
        stack: Stack,
        catalogue: Mapping[str, FaultKind],
        planned: Iterator[Planned],
        say: Callable[[str], None],
    ) -> None:
        self.begun: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self._stack = stack
        self._catalogue = catalogue
        self._planned = planned
        self._say = say
        self._running: list[_Running] = []
        self._postponed: deque[Planned] = deque()
        self._next: tuple[Planned, Fault] | None = None
        self._due = time.monotonic()
        self._give_up = 0.0
        self._exhausted = False

    @property
    def is_done(self) -> bool:
        """Whether the schedule is over: no fault is at work and none is left."""
        return self._exhausted

    def step(self) -> None:
        """End what is over and begin what is due."""
        self._end_due()
        if self._next is None:
            self._take()
            if self._next is None:
                self._exhausted = not self._postponed and not self._running
                return
        moment = time.monotonic()
        if moment < self._due or len(self._running) >= AT_ONCE:
            return
        planned, fault = self._next
        taken = {need for running in self._running for need in running.fault.needs}
        if not fault.needs & taken and fault.begin():
            self._note_begin(planned, fault)
        elif moment > self._give_up and not self._running:
            self._postponed.append(planned)
            self._next = None

    def finish(self) -> None:
        """Begin nothing more, and end what is at work."""
        self._next, self._planned = None, iter(())
        self._postponed.clear()
        self._exhausted = True
        for running in list(self._running):
            self._end(running)

    def _take(self) -> None:
        """Take the next entry of the schedule, or one that was postponed."""
        planned = next(self._planned, None)
        if planned is None:
            if not self._postponed:
                return
            planned = self._postponed.popleft()
        make = self._catalogue[planned.name].make
        self._next = planned, make(self._stack, random.Random(planned.seed))
        self._due = max(self._due + planned.gap_s, time.monotonic())
        self._give_up = self._due + TRY_FOR_S

    def _note_begin(self, planned: Planned, fault: Fault) -> None:
        self.begun[planned.name] += 1
        self._say(f"begins: {planned.name} {fault.said}".rstrip())
        end_at = time.monotonic() + planned.lasts_s
        self._running.append(_Running(planned=planned, fault=fault, end_at=end_at))
        self._next = None

    def _end_due(self) -> None:
        for running in list(self._running):
            over_s = time.monotonic() - running.end_at
            if over_s >= 0 and (running.fault.has_struck() or over_s > running.fault.patience_s):
                self._end(running)

    def _end(self, running: _Running) -> None:
        name, struck = running.planned.name, running.fault.has_struck()
        running.fault.end()
        self._running.remove(running)
        self.struck[name] += struck
        if not struck and not self._exhausted:
            self._postponed.append(running.planned)
        self._say(f"ends:   {name}{'' if struck else ', without effect'}")
