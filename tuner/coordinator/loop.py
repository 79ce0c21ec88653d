"""The coordinator: one loop over collect, expire, retry, propose and dispatch.

Every step is idempotent, and its memory can be rebuilt from the Storage, so it may be killed at any
point. (A retry is created in the transaction that ends the previous attempt: `attempts.py`.)
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.expiry import Expiry
from tuner.coordinator.history_refresher import HistoryRefresher
from tuner.coordinator.isolation import StudyIsolation
from tuner.coordinator.judging import judge_waiting
from tuner.coordinator.leadership import LEAD_S, Leadership
from tuner.coordinator.lifecycle.lifecycle import Lifecycle
from tuner.coordinator.round_state import RoundState, read_round_state
from tuner.coordinator.scheduling import ROUND, Scheduling
from tuner.coordinator.studies.memory import Memory
from tuner.errors import FencedError, UnavailableError
from tuner.instruments import Instruments
from tuner.queue.wakeup import WakeUps
from tuner.storage import Storage
from tuner.trials.kinds import EXTERNAL, Kind, matches
from tuner.trials.store.claims.round_rows import ReadyAttempt

logger = logging.getLogger(__name__)

#: Seconds between rounds if nobody wakes the loop.
TICK_S = 0.5
#: Seconds for workers to claim by themselves, as they do right after a trial, before they are
#: woken.
DISPATCH_AFTER_S = 0.05
#: Seconds until another worker is woken for an attempt that nobody has claimed. A busy server takes
#: a while to answer the first one, and every further one would make it busier.
CALL_AGAIN_S = 1.0
#: Seconds until the loop tries again after a fault of its own.
FAULT_PAUSE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class PruneDecision:
    """The pruner's decision, and the system attributes that it left on the trial."""

    prune: bool
    attrs: dict[str, Any]


class Coordinator:
    """The only process that writes Optuna's tables, and that prunes.

    Args:
        storage: the source of truth.
        wakeups: for waking idle workers; None: they poll.
        on_ready: called after attempts became ready, with their number by device, image and GPUs
            (as many waiting claims are looked at again).
        storage_problem: returns why nothing can be written to the log root at present, or None.
        instruments: metrics of its work.
    """

    def __init__(
        self,
        storage: Storage,
        wakeups: WakeUps | None,
        *,
        on_ready: Callable[[Counter[Kind]], None] = lambda _made: None,
        storage_problem: Callable[[], str | None] = lambda: None,
        instruments: Instruments | None = None,
    ) -> None:
        self._storage = storage
        self._wakeups = wakeups
        self._storage_problem = storage_problem
        self.leadership = Leadership(storage)
        self.instruments = instruments or Instruments()
        self._memory = Memory(storage, self.wake)
        self._isolation = StudyIsolation(storage, self.leadership, self._memory.forget)
        self._expiry = Expiry(storage, self.leadership, self.instruments, self._isolation)
        self._history_refresher = HistoryRefresher(
            storage, self.leadership, self._isolation, self.wake
        )
        self._lifecycle = Lifecycle(
            storage, self.leadership, self._isolation, storage_problem, self.wake
        )
        self._scheduling = Scheduling(
            storage,
            self.leadership,
            self._memory,
            self._isolation,
            self.instruments,
            on_ready=on_ready,
            wake=self.wake,
        )
        self._woken = threading.Event()
        self._stopping = False
        self._is_settled = False
        self._leads = False
        self._lead_until = 0.0
        self._expire_at = 0.0
        #: When a worker was last woken for a ready attempt (`time.monotonic`).
        self._called: dict[ReadyAttempt, float] = {}

    @property
    def leads(self) -> bool:
        """Whether this process is the coordinator at present."""
        return self._leads

    def wake(self) -> None:
        """Make the loop start a round now. Thread-safe."""
        self._woken.set()

    def stop(self) -> None:
        """End the loop after its current round."""
        self._stopping = True
        self._woken.set()

    def run(self, *, void_dead_local: bool = False) -> None:
        """Loop until `stop`; survives outages of the database and of Redis.

        Args:
            void_dead_local: end the leases of this host's dead workers as soon as this process
                leads; only for a start that holds the home's lock, when no worker of this home can
                be starting.
        """
        while not self._stopping:
            self._woken.clear()
            start = time.monotonic()
            try:
                again = self.look_around(void_dead_local=void_dead_local)
                self.instruments.round(time.monotonic() - start)
                # Not before it leads: after a crash, the dead leader's lease may have to expire
                # first.
                void_dead_local = void_dead_local and not self._leads
            except (UnavailableError, sa.exc.OperationalError, sa.exc.InterfaceError) as exc:
                logger.warning("database not available", extra={"error": str(exc)[:200]})
                self._expiry.suspend()
                # It may have committed, and only its answer is lost: the memory is rebuilt.
                self._memory.clear()
                again = None
            except FencedError:
                self._lose_lead()
                again = None
            except Exception:
                # The loop must survive its own faults: the log says what is wrong, the database
                # contains everything, and the memory is rebuilt from it. (A fault of one study ends
                # in that study's step.)
                logger.exception("coordinator round failed")
                self._memory.clear()
                again = FAULT_PAUSE_S
            self._woken.wait(TICK_S if again is None else again)
        self.close()

    def judge(
        self, study_id: int, number: int, attempt: int, points: list[tuple[int, float]]
    ) -> PruneDecision | None:
        """Enter reports of a running trial's attempt and let the pruner judge them.

        Called by the server's threads.

        Returns:
            None if this process cannot judge at present: it does not lead, or the study is not in
            its memory. Then the leader judges in its next round (`judging.py`).
        """
        run = self._memory.get(study_id) if self._leads else None
        if run is None or number >= len(run.in_memory):
            return None
        if run.spec.pruner.name == "none":
            return PruneDecision(prune=False, attrs={})
        return PruneDecision(
            prune=run.judge(number, attempt, points), attrs=run.in_memory.trial_attrs(number)
        )

    def look_around(self, *, void_dead_local: bool = False) -> float | None:
        """Do one round; return how long to wait for the next one, if shorter than a tick.

        Called by the loop; call it directly only where the loop does not run.
        """
        if not self._is_settled:
            # Once, at start: after a crash the service continues without waiting for the lease to
            # expire.
            self.leadership.void_dead_local()
            self._is_settled = True
        if not self._keep_lead():
            return None
        round_state = read_round_state(self._storage)
        self._load(round_state)
        self._history_refresher.refresh(self._memory)
        self._expire(round_state, void_dead_local=void_dead_local)
        if round_state.unjudged:
            waiting_for = round_state.unjudged, round_state.studies
            judge_waiting(
                self._storage, self.leadership, self._memory, self._isolation, *waiting_for
            )
        for run in self._memory:
            if self._isolation.is_due(run.study.id):
                self._lifecycle.look_after(run, round_state.studies[run.study.id], round_state)
        made = self._scheduling.propose(round_state) if self._storage_problem() is None else 0
        waiting = self._dispatch(round_state)
        self._isolation.end_round(others=len(round_state.studies) > 1)
        if made >= ROUND:
            return 0.0
        return DISPATCH_AFTER_S if made or waiting else None

    def _load(self, round_state: RoundState) -> None:
        served = self._isolation.served(round_state.studies)
        for study_id, fault in round_state.faults.items():
            study = served.pop(study_id, None)
            if study is not None:
                self._isolation.set_aside(study, "looking at its attempts", fault)
        for study, problem in self._memory.refresh(served).values():
            with self._isolation.step(study, "loading it"):
                raise problem

    def _expire(self, round_state: RoundState, *, void_dead_local: bool) -> None:
        """End expired leases: twice a second, not in every round."""
        moment = time.monotonic()
        if moment < self._expire_at and not void_dead_local:
            return
        self._expire_at = moment + TICK_S
        ended = self._expiry.void_dead_local(round_state.studies) if void_dead_local else 0
        if ended + self._expiry.expire(round_state.studies) > 0:
            self.wake()

    def _keep_lead(self) -> bool:
        moment = time.monotonic()
        if self._leads and moment < self._lead_until:
            return True
        led = self._leads
        self._leads = self.leadership.acquire()
        # Renewed after a third of the lease, so that one slow round does not cost the lead.
        self._lead_until = moment + LEAD_S / 3
        if self._leads and not led:
            logger.info("coordinator leads", extra={"epoch": self.leadership.epoch})
            self._memory.clear()
            self._isolation.clear()
            self._expiry.suspend()
        elif led and not self._leads:
            self._lose_lead()
        return self._leads

    def _lose_lead(self) -> None:
        logger.warning("coordinator was replaced")
        self._leads = False
        self._lead_until = 0.0
        self._memory.clear()
        self._history_refresher.refresh(())

    def _dispatch(self, round_state: RoundState) -> bool:
        """Wake idle workers for unclaimed attempts; return whether some attempts are too recent."""
        now, studies, moment = round_state.now, round_state.studies, time.monotonic()
        offered = [row for row in round_state.ready if row.not_before <= now]
        due = [row for row in offered if row.created + DISPATCH_AFTER_S <= now]
        called = {row: at for row, at in self._called.items() if at > moment - CALL_AGAIN_S}
        for (device, image, gpus), count in round_state.idle.items():
            if device == EXTERNAL or self._wakeups is None:
                continue  # it waits for the answer to its claim, and hears no wake-up
            wanted = [
                row
                for row in due
                if row not in called
                and row.study_id in studies
                and matches(studies[row.study_id], device, image, gpus)
            ][:count]
            self._wakeups.send(device, len(wanted), devices=gpus)
            called.update(dict.fromkeys(wanted, moment))
        self._called = called
        return len(due) < len(offered)

    def close(self) -> None:
        """Release the studies and the lead; the loop does so at its end."""
        self._history_refresher.stop()
        self._memory.close()
        if self._leads:
            try:
                self.leadership.release()
            except UnavailableError:
                logger.info("the lead could not be released; it ends with its lease")
