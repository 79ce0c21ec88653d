"""Scales this host's workers with the number that the studies could use."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.errors import NotFoundError, SetupError, UnavailableError
from tuner.local.access import find_api, start_api
from tuner.local.fleets.fleet import LEAVE_S, Fleet, FleetState
from tuner.local.fleets.free_devices import MAX_WORKERS, Others, free_room
from tuner.local.fleets.scaling import Look, Scaling, ScalingLimits, ScalingTarget
from tuner.local.home import read_service
from tuner.local.process import read_tail
from tuner.protocol import Isolation
from tuner.runtime.system import end_child
from tuner.settings import Settings

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.demand import WorkerDemand

LOOK_S = 2.0
#: Seconds after which the supervisor's state must reflect a request.
_HEARD_S = 5.0
#: Number of consecutive supervisors that may die within `_STABLE_S` seconds.
_MOST_STARTS, _STABLE_S = 5, 60.0


@dataclass(frozen=True, kw_only=True)
class Sort:
    """The kind of workers to start."""

    #: "all", "none", or UUIDs separated by commas.
    gpus: str
    gpus_per_worker: int = 1
    isolation: Isolation = "fork"
    #: The image that they run in; empty: none.
    image: str = ""

    @property
    def device(self) -> str:
        """The device that they train on."""
        return "cpu" if self.gpus == "none" else "gpu"

    @property
    def owned(self) -> int:
        """Number of GPUs that each owns."""
        return 0 if self.gpus == "none" else self.gpus_per_worker


@dataclass(frozen=True, kw_only=True)
class ScaleChange:
    """The number of workers changes from now on."""

    before: int
    after: int
    wanted: int
    #: Workers for the same studies that are not ours.
    others: int
    reason: str


class Autoscale:
    """Starts workers here as studies can use them, and ends them. For use by a single thread.

    Args:
        environ: of the service and the workers.
        limits: on their number.
        on_change: called for every change of their number.
        on_note: called with a sentence about any other event.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        sort: Sort,
        limits: ScalingLimits,
        *,
        on_change: Callable[[ScaleChange], None],
        on_note: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._sort = sort
        self._limits = limits
        self._on_change = on_change
        self._on_note = on_note
        self.fleet = Fleet(settings, f"autoscale-{os.getpid()}")
        self._others = Others(settings, self.fleet)
        self._scaling = Scaling(limits)
        self._api: ApiClient | None = None
        #: URL of the server that the workers work for.
        self._url = ""
        self._process: subprocess.Popen[bytes] | None = None
        #: Number of starts since a supervisor lasted, and time of the last start.
        self._starts, self._started_at = 0, 0.0
        self._is_away = False
        #: What was last requested from the supervisor, and when.
        self._asked, self._asked_at = limits.least, 0.0
        self._is_hurried = False

    def start(self) -> None:
        """Start the service, unless one is running, and the first workers.

        Raises:
            SetupError: the server's release does not report its demand, or this machine lacks
                something.
            UnavailableError: the service does not answer.
        """
        self._api = start_api(self._settings, self._environ)
        self._url = self._settings.api_url or self._api.url
        self._demand(self._api)
        self._start_fleet()

    def follow(self) -> None:
        """Watch and scale, until another command ends the workers or the service.

        Raises:
            UnavailableError: the workers cannot work here.
        """
        while self._is_wanted():
            self._look()
            time.sleep(LOOK_S)

    def drain(self, grace_s: float | None) -> None:
        """Let all workers go: idle ones immediately, busy ones when their trials have ended.

        Args:
            grace_s: seconds after which they give their trials back, checkpointed; None: never. On
                `hurry` they do so immediately.
        """
        process = self._process
        if process is None:
            return
        deadline = None if grace_s is None else time.monotonic() + grace_s
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGUSR1)
        while process.poll() is None and not self._is_hurried:
            if deadline is not None and time.monotonic() > deadline:
                break
            time.sleep(0.1)
        # Its workers give back what they run.
        end_child(process, LEAVE_S)

    def hurry(self) -> None:
        """Make draining workers give back their trials; called again, kill them. For signals."""
        if self._is_hurried and self._process is not None:
            self._process.kill()
        self._is_hurried = True

    def close(self) -> None:
        """Release what is left."""
        self.fleet.forget()
        if self._api is not None:
            self._api.close()

    @property
    def state(self) -> FleetState | None:
        """Our workers; None while their supervisor is not running."""
        return self.fleet.state()

    def _is_wanted(self) -> bool:
        """Whether to continue; restarts a supervisor that was killed."""
        process = self._process
        if process is None or process.poll() is None:
            if time.monotonic() > self._started_at + _STABLE_S:
                self._starts = 0
            return True
        if process.returncode == 0:
            self._on_note("another command has ended the workers, so this one ends as well")
            return False
        if process.returncode > 0 or self._starts > _MOST_STARTS:
            raise UnavailableError(
                f"the workers ended with status {process.returncode}; the end of "
                f"{self.fleet.log}:\n{read_tail(self.fleet.log)}"
            )
        self._on_note("the workers have died; they are started again")
        self._start_fleet()
        return True

    def _start_fleet(self) -> None:
        self._starts, self._started_at = self._starts + 1, time.monotonic()
        count = self._asked if self._starts > 1 else min(self._limits.least, self._room())
        self._process = self.fleet.start(
            count,
            environ=self._environ,
            api_url=self._url,
            gpus=self._sort.gpus,
            gpus_per_worker=self._sort.gpus_per_worker,
            isolation=self._sort.isolation,
            bound=True,
        )
        self.fleet.wait_started(self._process)
        self._asked, self._asked_at = count, time.monotonic()

    def _look(self) -> None:
        """Look once, and adjust the number of workers."""
        try:
            api = self._connected()
            if api is None:
                return
            demand, rows = self._demand(api), api.workers()
        except UnavailableError as exc:
            self._note_away(exc)
            return
        if self._is_away:
            self._is_away = False
            self._on_note("the server answers again")
        state = self.fleet.state()
        if state is None:
            return
        now = time.monotonic()
        is_heard = now > self._asked_at + _HEARD_S
        look = Look(
            at=now,
            wanted=demand["workers_wanted"],
            others=self._others.count(rows, self._sort.device, self._sort.owned, state),
            count=state.count if is_heard else self._asked,
            busy=sum(worker.get("state") == "busy" for worker in state.workers),
            room=self._room(),
        )
        target = self._scaling.decide(look)
        if target.count != look.count:
            self.fleet.scale(target.count, after_trial=True)
            self._asked, self._asked_at = target.count, now
            self._on_change(_change(look, target, demand["reason"], self._limits))

    def _room(self) -> int:
        if self._sort.gpus == "none":
            return MAX_WORKERS
        return free_room(self._sort.gpus, self._sort.gpus_per_worker, self._others.devices())

    def _demand(self, api: ApiClient) -> WorkerDemand:
        try:
            return api.demand(self._sort.device, self._sort.owned, self._sort.image)
        except NotFoundError as exc:
            raise SetupError(
                f"{api.url}: this server is of a release that does not say how many workers it "
                f"could use; update it"
            ) from exc

    def _connected(self) -> ApiClient | None:
        """Return a connection to the server; a local service that has died is restarted."""
        if self._api is not None:
            return self._api
        if self._settings.api_url:
            self._api = find_api(self._settings)
        elif read_service(self._settings) is not None:
            self._api = start_api(self._settings, self._environ)
            if self._api.url != self._url and self._process is not None:
                self._on_note(f"the service is at {self._api.url} now; the workers follow it there")
                self._url = self._api.url
                end_child(self._process, LEAVE_S)
                self._start_fleet()
        return self._api

    def _note_away(self, exc: UnavailableError) -> None:
        """Record that nobody answers: the workers stay, and the server is looked up again."""
        self._scaling.forget()
        if self._api is not None:
            self._api.close()
            self._api = None
        if not self._is_away:
            self._is_away = True
            self._on_note(f"{exc}; the workers stay as they are until it does")


def _change(look: Look, target: ScalingTarget, why: str, limits: ScalingLimits) -> ScaleChange:
    since = f", too many here for {limits.cooldown_s:g} s" if target.count < look.count else ""
    parts = [f"{look.wanted or 'none'} wanted{since}", why]
    if look.others:
        there = "1 other is" if look.others == 1 else f"{look.others} others are"
        parts.append(f"{there} there for them")
    if target.bound:
        parts.append(target.bound)
    return ScaleChange(
        before=look.count,
        after=target.count,
        wanted=look.wanted,
        others=look.others,
        reason="; ".join(parts),
    )
