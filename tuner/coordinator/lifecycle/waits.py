"""Why a running study starts no trial: shown in its status while none of its trials runs."""

from __future__ import annotations

import datetime
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.round_state import RoundState
from tuner.coordinator.studies.study_run import StudyRun
from tuner.storage import Storage, tables
from tuner.trials.kinds import EXTERNAL, needed_image, owned_gpus
from tuner.trials.states import WorkerState
from tuner.trials.store.fleet import FleetWorker, read_fleet
from tuner.trials.study import Study
from tuner.trials.wait_reasons import (
    BUSY,
    ELSEWHERE,
    NO_PROCESS,
    NO_WORKER,
    NOT_CLAIMING,
    PASSING,
    PREPARING,
    RETRY,
    SEEKING,
    SOUGHT,
    STARTING,
    UNHEARD,
)

#: Seconds that a reason must hold before it is shown, so that a study between two trials shows
#: none.
HOLD_S = 2.0
#: The same for what often passes by itself, such as a worker that is still starting.
LONG_HOLD_S = 6.0
#: Minimum seconds between two looks at the fleet.
LOOK_S = 1.0
_LONG = (
    NO_WORKER, NO_PROCESS, BUSY, ELSEWHERE, NOT_CLAIMING, PREPARING, STARTING, UNHEARD,
)  # fmt: skip
#: Seconds after a trial became ready: an idle worker heard of later has ignored it, because it is
#: woken immediately, and polls every two seconds while Redis is unavailable.
PASSED_BY_S = 5.0
#: Followed by the number of GPUs.
_PER_WORKER = " --gpus-per-worker"
#: Maximum number of workers named with their reasons; of more, only the number is given.
MAX_NAMED = 3

_c = tables.snapshots


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a study has to start, and what it requires for that."""

    device: str
    project: str
    #: Number that each of its trials owns.
    gpus: int
    image: str | None
    #: Whether its code snapshot is missing from the database.
    lacks_code: bool = False
    #: For each waiting attempt, when it became or will become claimable.
    ready: Sequence[float] = ()
    #: Number of them that idle workers may claim.
    offered: int = 0


def find_reason(need: Need, fleet: Sequence[FleetWorker], now: float) -> str:
    """Return why a study without running trials starts none; empty if nothing prevents it.

    Args:
        need: of the study, which has something to start.
        fleet: all present workers.
        now: the database's time.
    """
    if need.lacks_code:
        return "its code is not in the database any more; submit the study again from its folder"
    if need.device == EXTERNAL:
        fleet = [w for w in fleet if w.device == EXTERNAL and w.image == need.image]
        if not fleet:
            return NO_PROCESS
    if not fleet:
        return NO_WORKER + (f"{_PER_WORKER} {need.gpus}" if need.gpus > 1 else "")
    of_device = [worker for worker in fleet if worker.device == need.device]
    of_size = [worker for worker in of_device if worker.gpus == need.gpus]
    able = [w for w in of_size if need.image is None or w.image == need.image]
    if not able:
        return _misfit(need, fleet, of_device, of_size)
    allowed = [w for w in able if w.projects is None or need.project in w.projects]
    if not allowed:
        # Their names must not be shown here.
        return (
            f"no worker has a token for project {need.project}; of the device and image that it "
            f"needs {'is' if len(able) == 1 else 'are'} {len(able)}, with tokens for other projects"
        )
    takers = [worker for worker in allowed if not worker.unavailable_because]
    if not takers:
        return f"every worker that could run it takes no trials: {_named(allowed)}"
    return _waiting_for(need, takers, now)


def _misfit(
    need: Need,
    fleet: Sequence[FleetWorker],
    of_device: Sequence[FleetWorker],
    of_size: Sequence[FleetWorker],
) -> str:
    """Return the reason if no worker fits a study: by its device, its size or its image."""
    if not of_device:
        kinds = _counted(worker.device for worker in fleet)
        return f"no {need.device} worker is there; the workers that are there: {kinds}"
    if not of_size:
        return _other_size(need, of_device)
    images = _counted(_short(worker.image) for worker in of_size)
    return f"no worker has its image {_short(need.image)}; the workers have: {images}"


def _other_size(need: Need, workers: Sequence[FleetWorker]) -> str:
    """Return the reason if a study's trials own more GPUs, or fewer, than any worker does."""
    needed = "1 GPU" if need.gpus == 1 else f"{need.gpus} GPUs"
    sizes = sorted({worker.gpus for worker in workers})
    if len(sizes) == 1:
        owned = f"own {sizes[0]} each" if len(workers) > 1 else f"own {sizes[0]}"
    else:
        owned = "own " + ", ".join(
            f"{size} ({sum(worker.gpus == size for worker in workers)})" for size in sizes
        )
    return (
        f"each trial needs {needed}; the workers {owned}; start some with: "
        f"tuner workers up{_PER_WORKER} {need.gpus}"
    )


def _waiting_for(need: Need, takers: Sequence[FleetWorker], now: float) -> str:
    """Return what a study waits for that has suitable workers, some idle or all busy."""
    idle = [worker for worker in takers if worker.state is WorkerState.IDLE]
    if need.ready and min(need.ready) > now:
        at = datetime.datetime.fromtimestamp(min(need.ready), datetime.UTC)
        return f"{RETRY}{at:%H:%M:%S} UTC, after a failure that was not its own"
    if not idle:
        return STARTING if any(worker.state is WorkerState.STARTING for worker in takers) else BUSY
    if not need.ready:
        return PREPARING
    if not need.offered:
        return ELSEWHERE
    # A worker that ended without notice counts as idle until it has been silent for long.
    passed = min(need.ready) + PASSED_BY_S
    return NOT_CLAIMING if any(worker.last_seen > passed for worker in idle) else UNHEARD


def is_passing(reason: str) -> bool:
    """Whether a reason is part of normal operation, and not worth an event."""
    return reason.startswith(PASSING)


class WaitReasons:
    """Determines why no trial of a study runs, once that has been so for a while.

    Mutable: it remembers since when a reason has held.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._since: dict[int, tuple[str, float]] = {}
        self._fleet: list[FleetWorker] = []
        self._codes: frozenset[str] = frozenset()
        self._looked_at = float("-inf")

    def reason(
        self,
        run: StudyRun,
        study: Study,
        round_state: RoundState,
        storage_problem: str | None,
    ) -> str:
        """Return the reason to show now in the status of a running study.

        Raises:
            UnavailableError: the database cannot be reached.
        """
        if storage_problem is not None:
            return storage_problem
        mine = [row for row in round_state.ready if row.study_id == study.id]
        ready = [max(row.created, row.not_before) for row in mine]
        has_work = bool(ready) or (run.remaining != 0 and not run.nothing_left)
        if (
            round_state.leased[study.id]
            and run.awaits_space
            and (sought := run.in_memory.pending())
        ):
            return self._held(study, f"{SEEKING}{sought[0]}{SOUGHT}", time.monotonic())
        if round_state.leased[study.id] or not has_work:
            self._since.pop(study.id, None)
            return ""
        self._look(round_state)
        need = Need(
            device=study.device,
            project=study.project,
            gpus=owned_gpus(study),
            image=needed_image(study),
            lacks_code=study.code is not None and study.code not in self._codes,
            ready=ready,
            offered=round_state.offered[study.id],
        )
        return self._held(study, find_reason(need, self._fleet, round_state.now), time.monotonic())

    def _held(self, study: Study, found: str, moment: float) -> str:
        """Return the reason found once it has held for long enough, until then the present one."""
        text, since = self._since.get(study.id, ("", moment))
        if text != found:
            since = moment
            self._since[study.id] = (found, since)
        is_long = found in _LONG or found.startswith(NO_WORKER)
        hold_s = LONG_HOLD_S if is_long else HOLD_S
        is_due = not found or moment - since >= hold_s
        return found if is_due else study.reason

    def _look(self, round_state: RoundState) -> None:
        """Read the fleet, and which code exists, unless that was done just now."""
        moment = time.monotonic()
        if moment < self._looked_at + LOOK_S:
            return
        wanted = [study.code for study in round_state.studies.values() if study.code is not None]
        with self._storage.read() as connection:
            self._fleet = read_fleet(connection, round_state.now)
            codes = sa.select(_c.c.hash).where(_c.c.hash.in_(wanted))
            self._codes = frozenset(connection.execute(codes).scalars() if wanted else ())
        self._looked_at = moment


def _counted(kinds: Any) -> str:
    return ", ".join(f"{kind} ({n})" for kind, n in sorted(Counter(kinds).items()))


def _named(workers: Sequence[FleetWorker]) -> str:
    parts = [f"{worker.name} ({worker.unavailable_because})" for worker in workers[:MAX_NAMED]]
    more = len(workers) - MAX_NAMED
    return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")


def _short(image: str | None) -> str:
    """Return an image with its digest shortened."""
    if image is None:
        return "none"
    name, mark, digest = image.partition("@sha256:")
    return f"{name}{mark}{digest[:12]}"
