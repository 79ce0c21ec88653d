"""The network between each pair of processes, and calls whose answers are lost."""

from __future__ import annotations

import random
import time
from typing import Any

import sqlalchemy as sa

from tests.chaos.faults import DATABASE, FLEETS, REDIS, SERVERS, Fault, FaultKind
from tests.chaos.http_link import CALLS, CallKind, Harm, HttpLink
from tests.chaos.links import Link
from tests.chaos.rows import ENDED
from tests.chaos.stack import Kind, Stack
from tests.chaos.studies import STUDIES
from tuner.storage import tables

PAIRS = ("worker-server", "worker-redis", "server-redis", "server-database")
WAYS = ("cut", "slow", "reset", "stalled")
HARMS: tuple[Harm, ...] = ("lost", "twice", "late")
_NEEDS = {
    "worker-server": frozenset({"worker-server"}),
    "worker-redis": frozenset({REDIS, SERVERS, DATABASE}),
    "server-redis": frozenset({REDIS, SERVERS, DATABASE}),
    "server-database": frozenset({DATABASE, SERVERS}),
}
#: Wake-ups are sent to idle workers only, so a busy fleet says nothing to Redis.
LULL_S = 1.0
USED_S = 2.0


class BreakLink(Fault):
    """One link of a pair is cut, slow, reset or stalled."""

    def __init__(self, stack: Stack, chance: random.Random, pair: str, way: str) -> None:
        super().__init__(stack, chance)
        self.needs = _NEEDS[pair]
        self._way = way
        self._pair = pair
        self._link: Link = stack.links()[pair][0]
        self._before = 0
        self._asked = 0.0
        self._lull = False

    def begin(self) -> bool:
        links = self.stack.links()[self._pair]
        if len(links) > 1:
            # Workers that know two servers may all be with the same one.
            links = [link for link in links if link.used_at > time.monotonic() - USED_S]
        if not links:
            return False
        link = self._link = self.chance.choice(links)
        self._before = link.hits
        self.said = link.name
        if self._way == "cut":
            link.cut()
        elif self._way == "slow":
            link.slow_down(self.chance.uniform(0.02, 0.15))
        elif self._way == "stalled":
            link.stall()
        else:
            link.reset()
            # Without a connection there is nothing to reset.
            return self.has_struck()
        return True

    def has_struck(self) -> bool:
        if self._link.hits > self._before:
            return True
        if REDIS in self.needs:
            self._asked = self._asked or time.monotonic()
            self._set_lull(wanted=time.monotonic() < self._asked + LULL_S)
        return False

    def end(self) -> None:
        self._set_lull(wanted=False)
        self._link.heal()

    def _set_lull(self, *, wanted: bool) -> None:
        """Pause all studies, or have them go on: then every worker is idle, and is woken."""
        if wanted == self._lull:
            return
        self._lull = wanted
        self.stack.hurry += 1 if wanted else -1
        for study in STUDIES:
            # One that has ended refuses, and need not be paused.
            verb = "pause" if wanted else "resume"
            self.stack.servers[0].call("POST", f"/studies/{study.full_name}/{verb}")


class HarmCall(Fault):
    """The answer to a call is lost, or the call arrives twice, or late, behind its repetition."""

    def __init__(self, stack: Stack, chance: random.Random, kind: CallKind, harm: Harm) -> None:
        super().__init__(stack, chance)
        self._kind: CallKind = kind
        self._harm: Harm = harm
        self._before = 0

    def begin(self) -> bool:
        self._before = self._count()
        for link in self.stack.worker_server:
            link.harm(self._kind, self._harm)
        return True

    def has_struck(self) -> bool:
        return self._count() > self._before

    def end(self) -> None:
        for link in self.stack.worker_server:
            link.spare(self._kind, self._harm)

    def _count(self) -> int:
        return self.stack.history.faults[f"{self._kind} {self._harm}"]


class HoldFinish(Fault):
    """A worker is cut off with its result until its trial has another: it must be refused."""

    needs = frozenset({SERVERS, DATABASE, FLEETS})
    patience_s = 25.0

    def begin(self) -> bool:
        self._before = self._refusals()
        self._hurries = False
        link: HttpLink = self.chance.choice(self.stack.worker_server)
        link.harm("finish", "held")
        return True

    def has_struck(self) -> bool:
        held = self.stack.history.held
        for attempt, trial in [self._states(attempt) for attempt in list(held)]:
            # The successor is to come soon, and not all the others with it.
            self._set_hurry(wanted=attempt.state == "lost")
            if trial in ENDED:
                held.discard(attempt.id)
        return self._refusals() > self._before

    def end(self) -> None:
        self._set_hurry(wanted=False)
        for link in self.stack.worker_server:
            link.spare("finish", "held")
        self.stack.history.held.clear()

    def _set_hurry(self, *, wanted: bool) -> None:
        self.stack.hurry += int(wanted) - int(self._hurries)
        self._hurries = wanted

    def _refusals(self) -> int:
        return self.stack.history.statuses["finish 409"]

    def _states(self, attempt: str) -> tuple[Any, str]:
        a, t = tables.attempts, tables.trials
        trial = sa.and_(t.c.study_id == a.c.study_id, t.c.number == a.c.number)
        query = sa.select(a.c.id, a.c.state, t.c.state.label("trial")).join(t, trial)
        row = self.stack.select(query.where(a.c.id == attempt))[0]
        return row, row.trial


def _break(pair: str, way: str) -> FaultKind:
    def make(stack: Stack, chance: random.Random) -> Fault:
        return BreakLink(stack, chance, pair, way)

    kinds: tuple[Kind, ...] = (
        ("postgresql",) if pair == "server-database" else ("sqlite", "postgresql")
    )
    return FaultKind(make=make, lasts=(0.0, 0.0) if way == "reset" else (0.5, 2.0), kinds=kinds)


def _harm(kind: CallKind, harm: Harm) -> FaultKind:
    def make(stack: Stack, chance: random.Random) -> Fault:
        return HarmCall(stack, chance, kind, harm)

    return FaultKind(make=make, lasts=(0.1, 0.1))


KINDS: dict[str, FaultKind] = {
    **{f"{pair} {way}": _break(pair, way) for pair in PAIRS for way in WAYS},
    **{f"{kind} {harm}": _harm(kind, harm) for kind in CALLS for harm in HARMS},
    "finish held until another outcome": FaultKind(make=HoldFinish, takes_trials=True),
}
