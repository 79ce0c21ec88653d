"""The lifecycle of a study: its results are told, and it continues, waits, pauses or ends."""

from __future__ import annotations

from collections.abc import Callable

from tuner.coordinator.isolation import StudyIsolation
from tuner.coordinator.leadership import Leadership
from tuner.coordinator.lifecycle.collecting import BATCH, collect
from tuner.coordinator.lifecycle.limits import limit_reached, new_pause_reason
from tuner.coordinator.lifecycle.rung_keeping import keep_first_rung
from tuner.coordinator.lifecycle.waits import WaitReasons, is_passing
from tuner.coordinator.round_state import RoundState
from tuner.coordinator.studies.study_run import StudyRun
from tuner.storage import Storage
from tuner.trials.states import StudyState
from tuner.trials.store.attempts import has_live_attempts
from tuner.trials.store.studies import is_still
from tuner.trials.study import Study
from tuner.trials.study_states import CANCELLED, drop_unstarted, set_state, set_wait_reason


class Lifecycle:
    """Moves studies from state to state, as the leading coordinator.

    Args:
        storage: the source of truth.
        isolation: keeps the faults of one study from the others.
        storage_problem: returns why nothing can be written to the log root at present, or None.
        wake: makes the loop start another round.
    """

    def __init__(
        self,
        storage: Storage,
        leadership: Leadership,
        isolation: StudyIsolation,
        storage_problem: Callable[[], str | None],
        wake: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._leadership = leadership
        self._isolation = isolation
        self._storage_problem = storage_problem
        self._wake = wake
        self._wait_reasons = WaitReasons(storage)

    def look_after(self, run: StudyRun, study: Study, round_state: RoundState) -> None:
        """Tell the study's results, and decide whether it continues.

        Args:
            run: the study in memory.
            study: as read in this round.
            round_state: what this round has read.
        """
        with self._isolation.step(study, "telling its results"):
            self._tell(run, study, round_state)
        if self._isolation.is_due(study.id):
            with self._isolation.step(study, "choosing its first rung"):
                keep_first_rung(self._storage, self._leadership, run)
        if self._isolation.is_due(study.id) and study.state is StudyState.RUNNING:
            with self._isolation.step(study, "looking at its budget"):
                self._look_at_budget(run, study, round_state)
        elif self._isolation.is_due(study.id) and study.state is StudyState.STOPPING:
            with self._isolation.step(study, "ending it"):
                self._finish(run, study, round_state.now)

    def _tell(self, run: StudyRun, study: Study, round_state: RoundState) -> None:
        # While a sampler reads the in-memory study, results wait; its end wakes this loop.
        run.prefetch.results_wait = study.id in round_state.untold
        if run.prefetch.results_wait:
            run.prefetch.settle(run.trial_s)
            if not run.prefetch.is_busy:
                count = collect(self._storage, self._leadership, run)
                run.prefetch.results_wait = count == BATCH
                if count == BATCH:
                    self._wake()

    def _look_at_budget(self, run: StudyRun, study: Study, round_state: RoundState) -> None:
        pause_reason = new_pause_reason(self._storage, run)
        if pause_reason is not None:
            self.set_state(study, StudyState.PAUSED, pause_reason)
            return
        reason = limit_reached(run, study, round_state.now)
        if reason is not None:
            self.set_state(study, StudyState.STOPPING, reason)
        else:
            self._say_wait_reason(run, study, round_state)

    def _finish(self, run: StudyRun, study: Study, now: float) -> None:
        with self._storage.begin("finish-study") as connection:
            self._leadership.require(connection)
            if not is_still(connection, study):
                return
            drop_unstarted(connection, study.id, now)
            if has_live_attempts(connection, study.id):
                return
        collect(self._storage, self._leadership, run)
        keep_first_rung(self._storage, self._leadership, run)
        if run.in_flight == 0:
            with self._storage.begin("finish-study") as connection:
                self._leadership.require(connection)
                is_cancelled = study.reason == CANCELLED
                final = StudyState.CANCELLED if is_cancelled else StudyState.FINISHED
                if is_still(connection, study):
                    set_state(connection, study, final, study.reason, now)

    def set_state(self, study: Study, state: StudyState, reason: str) -> None:
        """Move a study to `state`, unless its state has changed since `study` was read."""
        with self._storage.begin("set-state") as connection:
            self._leadership.require(connection)
            now = self._storage.now(connection)
            if is_still(connection, study):
                set_state(connection, study, state, reason, now)
        self._wake()

    def _say_wait_reason(self, run: StudyRun, study: Study, round_state: RoundState) -> None:
        """Show in the study's status why nothing is started, while that is so."""
        reason = self._wait_reasons.reason(run, study, round_state, self._storage_problem())
        if reason == study.reason:
            return
        # What comes and goes in normal operation is not an event; a real obstacle that has
        # disappeared is one, even if the study now waits for something passing.
        said = "" if is_passing(reason) else reason
        was_said = "" if is_passing(study.reason) else study.reason
        with self._storage.begin("wait-reason") as connection:
            self._leadership.require(connection)
            now = self._storage.now(connection)
            set_wait_reason(
                connection, study, reason, now, event=said if said != was_said else None
            )
