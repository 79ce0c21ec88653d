"""The coordinator: one loop over collect, expire, retry, propose and dispatch.

Every step is idempotent, and its memory can be rebuilt from the Storage, so it may be killed at any
point. (A retry is made in the transaction that ends the attempt before it: `attempts.py`.)
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

from tuner.coordinator.collecting import collect
from tuner.coordinator.committing import MirrorBehindError, commit_proposal
from tuner.coordinator.demand import matches
from tuner.coordinator.expiry import Expiry
from tuner.coordinator.judging import judge_waiting
from tuner.coordinator.leadership import LEASE_S, Leadership
from tuner.coordinator.lifecycle import (
    CANCELLED,
    drop_unstarted,
    has_live_attempts,
    is_still,
    limit_reached,
    set_hindrance,
    set_state,
)
from tuner.coordinator.outlook import Outlook, take_outlook
from tuner.coordinator.proposing import SpaceExhaustedError
from tuner.coordinator.study_run import SAME_FAILURES, StudyRun, load_study_run
from tuner.errors import FencedError, TunerError, UnavailableError
from tuner.queue.wakeup import WakeUps
from tuner.storage import Storage

logger = logging.getLogger(__name__)

#: The loop looks around this often even when nobody wakes it.
TICK_S = 0.5
#: A worker that has just finished claims by itself; only later it needs a wake-up.
DISPATCH_AFTER_S = 0.05
#: After a fault of its own the loop tries again, but not at full speed.
FAULT_PAUSE_S = 1.0
#: Proposals made in one round before results are looked at again.
ROUND = 8


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the pruner says, and the system attributes it has left on the trial."""

    prune: bool
    attrs: dict[str, Any]


class Coordinator:
    """The only process that writes Optuna's tables, and the only pruner.

    Args:
        storage: the truth.
        wakeups: how idle workers are woken.
        on_ready: called after attempts became ready (waiting claims look again).
        storage_problem: why nothing can be written to the log root at present, or None.
    """

    def __init__(
        self,
        storage: Storage,
        wakeups: WakeUps,
        *,
        on_ready: Callable[[], None] = lambda: None,
        storage_problem: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._storage = storage
        self._wakeups = wakeups
        self._on_ready = on_ready
        self._storage_problem = storage_problem
        self.leadership = Leadership(storage)
        self._expiry = Expiry(storage, self.leadership)
        self._runs: dict[int, StudyRun] = {}
        self._runs_lock = threading.Lock()
        self._woken = threading.Event()
        self._stopping = False
        self._leads = False
        self._lead_until = 0.0
        self._expire_at = 0.0

    def wake(self) -> None:
        """Have the loop look around now. Safe from any thread."""
        self._woken.set()

    def stop(self) -> None:
        """End the loop after its present round."""
        self._stopping = True
        self._woken.set()

    def run(self, *, void_dead_local: bool = False) -> None:
        """Loop until `stop`; survives outages of the database and of Redis.

        Args:
            void_dead_local: end the leases of dead processes of this host first.
        """
        while not self._stopping:
            self._woken.clear()
            try:
                again = self._round(void_dead_local=void_dead_local)
                # Not before it leads: after a crash the dead leader's lease may have to end first.
                void_dead_local = void_dead_local and not self._leads
            except (UnavailableError, sa.exc.OperationalError, sa.exc.InterfaceError) as exc:
                logger.warning("database not available", extra={"error": str(exc)[:200]})
                self._expiry.suspend()
                again = None
            except FencedError:
                self._lose_lead()
                again = None
            except Exception:
                # The loop must outlive its own faults: what is wrong is in the log, the database
                # holds everything, and the memory is rebuilt from it.
                logger.exception("coordinator round failed")
                self._forget_runs()
                again = FAULT_PAUSE_S
            self._woken.wait(TICK_S if again is None else again)
        self._close()

    def judge(self, study_id: int, number: int, points: list[tuple[int, float]]) -> Verdict | None:
        """Enter reports of a running trial and let the pruner judge them.

        Called by the server's threads.

        Returns:
            None when this process cannot judge it at present: it does not lead, or the study is not
            in its memory. Then the leader judges in its next round (`judging.py`).
        """
        with self._runs_lock:
            run = self._runs.get(study_id) if self._leads else None
        if run is None or number >= len(run.mirror):
            return None
        if run.spec.pruner.name == "none":
            return Verdict(prune=False, attrs={})
        return Verdict(prune=run.judge(number, points), attrs=run.mirror.trial_attrs(number))

    def _round(self, *, void_dead_local: bool) -> float | None:
        """Do one round; return how long to wait for the next, if shorter than a tick."""
        if void_dead_local and not self._leads:
            self.leadership.void_dead_local()
        if not self._keep_lead():
            return None
        outlook = take_outlook(self._storage)
        self._refresh_runs(outlook.studies)
        self._expire(void_dead_local=void_dead_local)
        if outlook.unjudged:
            judge_waiting(self._storage, self.leadership, self._runs, outlook.unjudged)
        for study in outlook.studies.values():
            self._look_after(self._runs[study.id], study, outlook)
        made = self._propose(outlook)
        waiting = self._dispatch(outlook)
        if made >= ROUND:
            return 0.0
        return DISPATCH_AFTER_S if made or waiting else None

    def _expire(self, *, void_dead_local: bool) -> None:
        """End the leases that are over: twice a second, not in every round."""
        moment = time.monotonic()
        if moment < self._expire_at and not void_dead_local:
            return
        self._expire_at = moment + TICK_S
        retries = {run.study.id: run.spec.trial.retries for run in self._runs.values()}
        ended = self._expiry.void_dead_local(retries) if void_dead_local else 0
        if ended + self._expiry.expire(retries) > 0:
            self.wake()

    def _keep_lead(self) -> bool:
        moment = time.monotonic()
        if self._leads and moment < self._lead_until:
            return True
        led = self._leads
        self._leads = self.leadership.acquire()
        # Renewed at a third of the lease, so that one slow round does not cost the lead.
        self._lead_until = moment + LEASE_S / 3
        if self._leads and not led:
            logger.info("coordinator leads", extra={"epoch": self.leadership.epoch})
            self._forget_runs()
            self._expiry.suspend()
        elif led and not self._leads:
            self._lose_lead()
        return self._leads

    def _lose_lead(self) -> None:
        logger.warning("coordinator was replaced")
        self._leads = False
        self._lead_until = 0.0
        self._forget_runs()

    def _refresh_runs(self, studies: dict[int, sa.Row[Any]]) -> None:
        for study_id in [i for i in self._runs if i not in studies]:
            self._forget(study_id)
        for study_id, study in studies.items():
            run = self._runs.get(study_id)
            if run is not None and run.study.revision != study.revision:
                self._forget(study_id)
                run = None
            if run is None:
                loaded = load_study_run(self._storage, study, self.wake)
                with self._runs_lock:
                    self._runs[study_id] = loaded

    def _look_after(self, run: StudyRun, study: sa.Row[Any], outlook: Outlook) -> None:
        # While a sampler reads the mirror, results wait; its end wakes this loop.
        ended_before = run.ended_count
        if study.id in outlook.untold and not run.speculation.is_busy:
            collect(self._storage, self.leadership, run)
        if study.state == "running":
            # Only when the third failure comes in: a user who resumes the study means it.
            if ended_before < SAME_FAILURES and run.fails_alike:
                text = f"the first {SAME_FAILURES} trials failed alike: {run.fails_alike}"
                self._set_state(study, "paused", text)
                return
            reason = limit_reached(run, study, outlook.now)
            if reason is not None:
                self._set_state(study, "stopping", reason)
            else:
                self._say_hindrance(study)
        elif study.state == "stopping":
            self._finish(run, study, outlook.now)

    def _finish(self, run: StudyRun, study: sa.Row[Any], now: float) -> None:
        with self._storage.begin("finish-study") as connection:
            self.leadership.require(connection)
            if not is_still(connection, study):
                return
            drop_unstarted(connection, study, now)
            if has_live_attempts(connection, study.id):
                return
        collect(self._storage, self.leadership, run)
        if run.in_flight == 0:
            with self._storage.begin("finish-study") as connection:
                self.leadership.require(connection)
                final = "cancelled" if study.reason == CANCELLED else "finished"
                if is_still(connection, study):
                    set_state(connection, study, final, study.reason, now)

    def _set_state(self, study: sa.Row[Any], state: str, reason: str) -> None:
        with self._storage.begin("set-state") as connection:
            self.leadership.require(connection)
            now = self._storage.now(connection)
            if is_still(connection, study):
                set_state(connection, study, state, reason, now)
        self.wake()

    def _say_hindrance(self, study: sa.Row[Any]) -> None:
        """Have the study's status say why nothing is started, while that is so."""
        reason = self._storage_problem() or ""
        if reason == study.reason:
            return
        with self._storage.begin("wait-reason") as connection:
            self.leadership.require(connection)
            set_hindrance(connection, study, reason, self._storage.now(connection))

    def _propose(self, outlook: Outlook) -> int:
        """Propose for idle workers, at most `ROUND` trials; return how many were made."""
        if self._storage_problem() is not None:
            return 0
        ready = Counter(outlook.offered)
        made = 0
        for (device, image), count in outlook.idle.items():
            fitting = [
                self._runs[study.id]
                for study in outlook.studies.values()
                if study.state == "running" and matches(study, device, image)
            ]
            wanted = count - sum(ready[run.study.id] for run in fitting)
            while wanted > 0 and made < ROUND:
                run = _next_in_turn(fitting, ready, outlook.leased)
                if run is None:
                    break
                if self._propose_one(run, outlook.studies[run.study.id]):
                    ready[run.study.id] += 1
                    made += 1
                    wanted -= 1
                else:
                    fitting.remove(run)
        if made:
            self._on_ready()
        for study in outlook.studies.values():
            self._prepare(study)
        return made

    def _prepare(self, study: sa.Row[Any]) -> None:
        run = self._runs.get(study.id)
        if run is None:
            return  # its mirror was behind, so it has just been forgotten
        if study.state == "running" and run.remaining != 0 and not run.exhausted:
            try:
                run.speculation.prepare(run.trial_s)
            except SpaceExhaustedError as exc:
                run.exhausted = str(exc)

    def _propose_one(self, run: StudyRun, study: sa.Row[Any]) -> bool:
        try:
            proposal = run.take_retry() or run.speculation.take(run.trial_s)
            number = commit_proposal(self._storage, self.leadership, run, proposal)
        except SpaceExhaustedError as exc:
            run.exhausted = str(exc)
            self.wake()
            return False
        except MirrorBehindError:
            self._forget(run.study.id)
            self.wake()
            return False
        except TunerError:
            raise
        except Exception as exc:
            # A sampler that fails on this study must not stop the other studies.
            logger.exception("proposing failed", extra={"study": run.name})
            self._set_state(study, "paused", f"proposing failed: {type(exc).__name__}: {exc}")
            return False
        logger.info("trial proposed", extra={"study": run.name, "trial": number})
        return True

    def _dispatch(self, outlook: Outlook) -> bool:
        """Wake idle workers for attempts that nobody has claimed; return if some are too young."""
        now, studies = outlook.now, outlook.studies
        offered = [row for row in outlook.ready if row.not_before <= now]
        due = [row for row in offered if row.created + DISPATCH_AFTER_S <= now]
        for (device, image), count in outlook.idle.items():
            wanted = sum(
                1
                for row in due
                if row.study_id in studies and matches(studies[row.study_id], device, image)
            )
            self._wakeups.send(device, min(count, wanted))
        return len(due) < len(offered)

    def _forget(self, study_id: int) -> None:
        with self._runs_lock:
            run = self._runs.pop(study_id, None)
        if run is not None:
            run.close()

    def _forget_runs(self) -> None:
        for study_id in list(self._runs):
            self._forget(study_id)

    def _close(self) -> None:
        self._forget_runs()
        if self._leads:
            try:
                self.leadership.release()
            except UnavailableError:
                logger.info("the lead could not be released; it ends with its lease")


def _next_in_turn(runs: list[StudyRun], ready: Any, busy: Any) -> StudyRun | None:
    """Return the study that is furthest below its fair share and may still propose."""
    able = [r for r in runs if r.remaining != 0 and r.free_slots != 0 and not r.exhausted]
    if not able:
        return None
    # Each step of priority doubles a study's share.
    return min(
        able,
        key=lambda run: (
            (busy[run.study.id] + ready[run.study.id]) / 2.0**run.spec.priority,
            run.study.id,
        ),
    )
