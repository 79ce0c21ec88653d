"""Steering a study: pause, resume, stop, cancel. Each is idempotent and logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from tuner.documents.study import StudyStatus
from tuner.errors import StudyError
from tuner.integrity.repair import check
from tuner.service.reading import Reader
from tuner.service.roots.hands import Hands
from tuner.settings import Settings
from tuner.storage import Storage, tables
from tuner.storage.conflict import again_after_conflict
from tuner.trials.attempts import ENDED, call_off, lock_trial
from tuner.trials.events import record_event
from tuner.trials.faults import CANNOT_GO_ON
from tuner.trials.finding import find_study, find_trial
from tuner.trials.locking import lock_attempts
from tuner.trials.study_states import CANCELLED, drop_unstarted, set_state

CLOSED = ("finished", "failed", "cancelled")
#: The reason of a study that ends because the user said so: until it has ended, it can go on.
STOPPED = "stopped by the user"
#: So many studies' folders are removed at a time.
_REMOVALS = 2


class Control(Reader):
    """Changes what a study does.

    Args:
        storage: the truth.
        settings: where logs and checkpoints are.
        on_change: called after every change (the coordinator looks around).
        removal_s: who deletes a study waits no longer for its folders to be removed; a server goes
            on with it, while of a command nothing is left to do so.
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
        """Start no further trial; running ones go on, and the time budget stands still."""
        return self._move(study, "paused", reason="by the user")

    @again_after_conflict
    def resume(self, study: str) -> StudyStatus:
        """Go on with a study that is paused, or that the user is stopping.

        Raises:
            StudyError: it was set aside for what is wrong with its rows, and that is still so.
        """
        self._require_whole(study)
        return self._move(study, "running")

    @again_after_conflict
    def stop(self, study: str, *, now: bool = False) -> StudyStatus:
        """End a study: running trials finish, or with `now` are cancelled."""
        with self._storage.begin() as connection:
            row = find_study(connection, study, hold="change")
            if row.state not in CLOSED:
                time_s = self._storage.now(connection)
                if row.state != "stopping":
                    set_state(connection, row, "stopping", STOPPED, time_s)
                drop_unstarted(connection, row, time_s)
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
                self._cancel_trial(connection, row, find_trial(connection, row, number), time_s)
            elif row.state not in CLOSED:
                drop_unstarted(connection, row, time_s)
                self._cancel_running(connection, row, time_s)
                if not is_cancelled(row):
                    # The coordinator makes it `cancelled` once everything is told.
                    set_state(connection, row, "stopping", CANCELLED, time_s)
        self._on_change()
        return self.status(study)

    def _require_whole(self, study: str) -> None:
        with self._storage.read() as connection:
            row = find_study(connection, study)
        if row.state != "paused" or not str(row.reason).startswith(CANNOT_GO_ON):
            return
        found = [finding.text for finding in check(self._storage, study)]
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise StudyError(
                f"{study} cannot go on yet: {found[0]}{more}; what can be repaired is by: "
                f"tuner db check --repair {study}"
            )

    def _move(self, study: str, state: str, *, reason: str = "") -> StudyStatus:
        with self._storage.begin() as connection:
            row = find_study(connection, study, hold="change")
            stopping = row.state == "stopping" and row.reason == STOPPED
            if row.state not in ("running", "paused") and not (stopping and state == "running"):
                raise StudyError(_cannot(study, row, state))
            if row.state != state:
                set_state(connection, row, state, reason, self._storage.now(connection))
        self._on_change()
        return self.status(study)

    def _cancel_running(self, connection: sa.Connection, row: sa.Row[Any], now: float) -> None:
        t = tables.trials
        live = connection.execute(
            sa.select(t).where(t.c.study_id == row.id, t.c.state.in_(("waiting", "running")))
        ).all()
        for trial in live:
            self._cancel_trial(connection, row, trial, now)

    def _cancel_trial(
        self, connection: sa.Connection, row: sa.Row[Any], trial: sa.Row[Any], now: float
    ) -> None:
        t = tables.trials
        newest = lock_attempts(connection, row.id, trial.number)[-1]
        if lock_trial(connection, row.id, trial.number).state in ENDED:
            return
        call_off(connection, row.id, trial.number, now)
        connection.execute(
            t.update()
            .where(t.c.study_id == row.id, t.c.number == trial.number)
            .values(
                state="fail",
                cause="cancelled",
                error="cancelled by the user",
                counted=True,
                outcome_attempt=newest,
                finished=now,
                duration_s=now - trial.started if trial.started is not None else None,
            )
        )
        record_event(
            connection,
            now,
            "trial-fail",
            f"trial {trial.number} cancelled by the user",
            study_id=row.id,
            number=trial.number,
        )


def is_cancelled(study: sa.Row[Any]) -> bool:
    """Whether the user has cancelled the study, which is final, even if it has not ended yet."""
    return bool(
        study.state == "cancelled" or (study.state == "stopping" and study.reason == CANCELLED)
    )


def describe(study: sa.Row[Any]) -> str:
    """Return `demo/hill is finished (budget.trials: 4 trials are done)`."""
    why = f" ({study.reason})" if study.reason else ""
    return f"{study.project}/{study.name} is {study.state}{why}"


def _cannot(name: str, study: sa.Row[Any], state: str) -> str:
    text = f"{describe(study)}; it cannot become {state}"
    if state == "running" and not is_cancelled(study):
        return f"{text}; a larger budget lets it go on: tuner edit {name} budget.trials=N"
    return text
