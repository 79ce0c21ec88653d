"""How many workers a host should have: soon up, down only after a while, and never a busy one.

To start a worker costs seconds of imports, and to keep one that idles costs little: so the number
follows the demand up as soon as a second look confirms it (whoever submits a study may bring its
own workers), and down only when less was wanted all the time for a while, to the most that was
wanted meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

#: More must be wanted for so long before workers are started: at two looks.
CONFIRM_S = 1.0


@dataclass(frozen=True, kw_only=True)
class ScalingLimits:
    """What a user allows."""

    least: int
    most: int
    #: Fewer workers must be wanted for so long before some leave, seconds.
    cooldown_s: float


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen at one moment."""

    #: Monotonic, seconds.
    at: float
    #: Workers that the studies could use now, wherever they are.
    wanted: int
    #: Workers that are there for them and are not ours.
    others: int
    #: How many of ours there are to be at present.
    count: int
    #: How many of them run a trial.
    busy: int
    #: How many the devices allow.
    room: int


@dataclass(frozen=True, kw_only=True)
class ScalingTarget:
    """How many workers there are to be from now on, and what decided that."""

    count: int
    #: In a few words; empty: what is wanted, and nothing else.
    bound: str = ""


class Scaling:
    """Decides how many workers there are to be. Mutable: it knows since when others would do."""

    def __init__(self, limits: ScalingLimits) -> None:
        self._limits = limits
        self._more_since: float | None = None
        #: The fewest that were wanted since then.
        self._fewest_since = 0
        self._fewer_since: float | None = None
        #: The most that was wanted since then.
        self._most_since = 0

    def decide(self, look: Look) -> ScalingTarget:
        """Return how many workers there are to be."""
        target = self._aim(look)
        if target.count > look.count:
            self._fewer_since = None
            return self._rise(look, target)
        self._more_since = None
        if target.count == look.count:
            self._fewer_since = None
            return target
        return self._fall(look, target)

    def _rise(self, look: Look, target: ScalingTarget) -> ScalingTarget:
        if self._more_since is None:
            self._more_since, self._fewest_since = look.at, target.count
        self._fewest_since = min(self._fewest_since, target.count)
        if look.at - self._more_since < CONFIRM_S:
            return ScalingTarget(count=look.count)
        self._more_since = None
        is_last = self._fewest_since == target.count
        return ScalingTarget(count=self._fewest_since, bound=target.bound if is_last else "")

    def _fall(self, look: Look, target: ScalingTarget) -> ScalingTarget:
        if self._fewer_since is None:
            self._fewer_since, self._most_since = look.at, target.count
        self._most_since = max(self._most_since, target.count)
        if look.at - self._fewer_since < self._limits.cooldown_s:
            return ScalingTarget(count=look.count)
        self._fewer_since = None
        if look.busy > self._most_since:
            # They end their trials first.
            return ScalingTarget(count=min(look.count, look.busy), bound=f"{look.busy} are busy")
        is_last = self._most_since == target.count
        bound = target.bound if is_last else f"{self._most_since} were of use meanwhile"
        return ScalingTarget(count=self._most_since, bound=bound)

    def forget(self) -> None:
        """Take in that nothing is known at present: no time without a look makes workers leave."""
        self._more_since = self._fewer_since = None

    def _aim(self, look: Look) -> ScalingTarget:
        """Return how many would be right if the demand stayed as it is."""
        limits = self._limits
        wanted = max(0, look.wanted - look.others)
        least = min(limits.least, look.room)
        if wanted < least:
            return ScalingTarget(count=least, bound=f"--min {limits.least}")
        most = min(limits.most, look.room)
        if wanted <= most:
            return ScalingTarget(count=wanted)
        if look.room < limits.most:
            return ScalingTarget(count=most, bound=f"the GPUs that are free here allow {look.room}")
        return ScalingTarget(count=most, bound=f"--max {limits.most}")
