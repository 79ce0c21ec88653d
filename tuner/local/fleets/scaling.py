"""How many workers a host should have: up quickly, down slowly, and never ending a busy one.

Starting a worker costs seconds of imports, and keeping an idle one costs little. So the number
follows the demand up as soon as a second look confirms it (whoever submits a study may bring their
own workers), and goes down only if less was wanted throughout the cooldown, to the maximum wanted
during that time.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds for which more workers must be wanted before they are started: at two looks.
CONFIRM_S = 1.0


@dataclass(frozen=True, kw_only=True)
class ScalingLimits:
    """The limits set by a user."""

    least: int
    most: int
    #: Seconds for which fewer workers must be wanted before some leave.
    cooldown_s: float


@dataclass(frozen=True, kw_only=True)
class Look:
    """An observation at one moment."""

    #: Monotonic time in seconds.
    at: float
    #: Workers that the studies could use now, wherever they are.
    wanted: int
    #: Existing workers for these studies that are not ours.
    others: int
    #: The present target number of our workers.
    count: int
    #: Number of them running a trial.
    busy: int
    #: Maximum number that the devices allow.
    room: int


@dataclass(frozen=True, kw_only=True)
class ScalingTarget:
    """The new target number of workers, and what determined it."""

    count: int
    #: In a few words; empty: only the demand.
    bound: str = ""


class Scaling:
    """Decides how many workers there should be. Mutable: it tracks how long demand has differed."""

    def __init__(self, limits: ScalingLimits) -> None:
        self._limits = limits
        self._more_since: float | None = None
        #: The minimum wanted since then.
        self._fewest_since = 0
        self._fewer_since: float | None = None
        #: The maximum wanted since then.
        self._most_since = 0

    def decide(self, look: Look) -> ScalingTarget:
        """Return the target number of workers."""
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
            # They finish their trials first.
            return ScalingTarget(count=min(look.count, look.busy), bound=f"{look.busy} are busy")
        is_last = self._most_since == target.count
        bound = target.bound if is_last else f"{self._most_since} were of use meanwhile"
        return ScalingTarget(count=self._most_since, bound=bound)

    def forget(self) -> None:
        """Record that nothing is known: time without looks must not make workers leave."""
        self._more_since = self._fewer_since = None

    def _aim(self, look: Look) -> ScalingTarget:
        """Return the number that would be right if the demand stayed the same."""
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
