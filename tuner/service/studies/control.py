"""Steering a study: pause, resume, stop, cancel. Each is idempotent and logged."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from tuner.documents.study import StudyStatus
from tuner.errors import StudyError
from tuner.integrity.repair import check
from tuner.service.reading import Reader
from tuner.service.roots.hands import Hands
from tuner.settings import Settings
from tuner.storage import Storage
from tuner.storage.engines.conflict import again_after_conflict
from tuner.trials.ending.outcomes import set_outcome
from tuner.trials.faults import CANNOT_GO_ON
from tuner.trials.states import StudyState, TrialState
from tuner.trials.store.attempts import lock_attempts
from tuner.trials.store.events import record_event
from tuner.trials.store.studies import find_study
from tuner.trials.store.trials import Outcome, find_trial, lock_trial, open_numbers
from tuner.trials.study import Study
from tuner.trials.study_states import CANCELLED, CLOSED, drop_unstarted, set_state

#: The reason of a study that the user is stopping: until it has ended, it can be resumed.
STOPPED = "stopped by the user"
#: Maximum number of studies whose folders are being removed at the same time.
_REMOVALS = 2


class Control(Reader):
    """Changes what a study does.

    Args:
        settings: where logs and checkpoints are.
        on_change: called after every change, to wake the coordinator.
        removal_s: maximum seconds that a deletion waits for the folders to be removed. A server
            continues the removal afterwards; a command has exited by then.
    """

    def __init__(
        self,
        storage: Storage,
        settings: Settings,
        on_change: Callable[[], None] = lambda: None,
        *,
        removal_s: float = 24 * 3600.0,
    ) -> None:
        super().__init__(storage, settings)
        self._on_change = on_change
        self._removing_hands = Hands("removing-hand", _REMOVALS, removal_s)

    @again_after_conflict
    def pause(self, study: str) -> StudyStatus:
        """Start no further trials; running ones continue, and the time budget stops."""
        return self._move(study, StudyState.PAUSED, reason="by the user")

    @again_after_conflict
    def resume(self, study: str) -> StudyStatus:
        """Continue a study that is paused, or that the user is stopping.

        Raises:
            StudyError: it was set aside because of damaged rows, and they are still damaged.
        """
        self._require_whole(study)
        return self._move(study, StudyState.RUNNING)

    @again_after_conflict
    def stop(self, study: str, *, now: bool = False) -> StudyStatus:
        """End a study: running trials finish, or with `now` are cancelled."""
        with self._storage.begin() as connection:
            row = find_study(connection, study, hold="change")
            if row.state not in CLOSED:
                time_s = self._storage.now(connection)
                if row.state is not StudyState.STOPPING:
                    set_state(connection, row, StudyState.STOPPING, STOPPED, time_s)
                drop_unstarted(connection, row.id, time_s)
                if now:
                    self._cancel_running(connection, row, time_s)
        self._on_change()
        return self.status(study)

    @again_after_conflict
    def cancel(self, study: str, number: int | None = None) -> StudyStatus:
        """Cancel one trial, or the whole study with all its running trials."""
        with self._storage.begin() as connection:
            row = find_study(connection, study, hold="change")
            time_s = self._storage.now(connection)
            if number is not None:
                find_trial(connection, row, number)
                self._cancel_trial(connection, row, number, time_s)
            elif row.state not in CLOSED:
                drop_unstarted(connection, row.id, time_s)
                self._cancel_running(connection, row, time_s)
                if not is_cancelled(row):
                    # The coordinator sets the state `cancelled` once every trial is told.
                    set_state(connection, row, StudyState.STOPPING, CANCELLED, time_s)
        self._on_change()
        return self.status(study)

    def _require_whole(self, study: str) -> None:
        with self._storage.read() as connection:
            row = find_study(connection, study)
        if row.state is not StudyState.PAUSED or not str(row.reason).startswith(CANNOT_GO_ON):
            return
        found = [finding.text for finding in check(self._storage, study)]
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise StudyError(
                f"{study} cannot continue yet: {found[0]}{more}; what can be repaired is by: "
                f"tuner db check --repair {study}"
            )

    def _move(self, study: str, state: StudyState, *, reason: str = "") -> StudyStatus:
        with self._storage.begin() as connection:
            row = find_study(connection, study, hold="change")
            stopping = row.state is StudyState.STOPPING and row.reason == STOPPED
            goes_on = stopping and state is StudyState.RUNNING
            if row.state not in (StudyState.RUNNING, StudyState.PAUSED) and not goes_on:
                raise StudyError(_cannot(study, row, state))
            if row.state is not state:
                set_state(connection, row, state, reason, self._storage.now(connection))
        self._on_change()
        return self.status(study)

    def _cancel_running(self, connection: sa.Connection, row: Study, now: float) -> None:
        for number in open_numbers(connection, row.id):
            self._cancel_trial(connection, row, number, now)

    def _cancel_trial(self, connection: sa.Connection, row: Study, number: int, now: float) -> None:
        newest = lock_attempts(connection, row.id, number)[-1]
        trial = lock_trial(connection, row.id, number)
        if trial.state.is_ended:
            return
        outcome = Outcome(
            state=TrialState.FAIL,
            cause="cancelled",
            error="cancelled by the user",
            counted=True,
            attempt=newest,
            duration_s=None if trial.started is None else now - trial.started,
        )
        set_outcome(connection, row.id, number, outcome, now, told="")
        text = f"trial {number} cancelled by the user"
        record_event(connection, now, "trial-fail", text, study_id=row.id, number=number)


def is_cancelled(study: Study) -> bool:
    """Whether the user has cancelled the study, which is final even before it has ended."""
    is_ending = study.state is StudyState.STOPPING and study.reason == CANCELLED
    return study.state is StudyState.CANCELLED or is_ending


def describe(study: Study) -> str:
    """Return `demo/hill is finished (budget.trials: 4 trials are done)`."""
    why = f" ({study.reason})" if study.reason else ""
    return f"{study.full_name} is {study.state.value}{why}"


def _cannot(name: str, study: Study, state: StudyState) -> str:
    text = f"{describe(study)}; it cannot become {state.value}"
    if state is StudyState.RUNNING and not is_cancelled(study):
        return f"{text}; to continue it, raise the budget: tuner edit {name} budget.trials=N"
    return text
