"""Steering a study: pause, resume, stop, cancel, retry. Each is idempotent and logged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.attempts import ENDED, call_off, lock_trial
from tuner.coordinator.events import record_event
from tuner.coordinator.lifecycle import CANCELLED, drop_unstarted, set_state
from tuner.errors import StudyError
from tuner.service.finding import find_study, find_trial
from tuner.service.reading import Reader
from tuner.service.views import Document
from tuner.settings import Settings
from tuner.storage import Storage, tables

#: Inside `Control`, the name `list` is a verb.
Numbers = list[int]
CLOSED = ("finished", "failed", "cancelled")


class Control(Reader):
    """Changes what a study does.

    Args:
        storage: the truth.
        settings: where logs and checkpoints are.
        on_change: called after every change (the coordinator looks around).
    """

    def __init__(
        self, storage: Storage, settings: Settings, on_change: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(storage, settings)
        self._on_change = on_change

    def pause(self, study: str) -> Document:
        """Start no further trial; running ones go on, and the time budget stands still."""
        return self._move(study, "paused", allowed=("running", "paused"), reason="by the user")

    def resume(self, study: str) -> Document:
        """Go on with a paused or stopping study."""
        return self._move(study, "running", allowed=("paused", "running", "stopping"))

    def stop(self, study: str, *, now: bool = False) -> Document:
        """End a study: running trials finish, or with `now` are cancelled."""
        with self._storage.begin() as connection:
            row = find_study(connection, study, hold=True)
            if row.state not in CLOSED:
                time_s = self._storage.now(connection)
                if row.state != "stopping":
                    set_state(connection, row, "stopping", "stopped by the user", time_s)
                drop_unstarted(connection, row, time_s)
                if now:
                    self._cancel_running(connection, row, time_s)
        self._on_change()
        return self.status(study)

    def cancel(self, study: str, number: int | None = None) -> Document:
        """Cancel one trial, or the whole study with all its running trials."""
        with self._storage.begin() as connection:
            row = find_study(connection, study, hold=True)
            time_s = self._storage.now(connection)
            if number is not None:
                self._cancel_trial(connection, row, find_trial(connection, row, number), time_s)
            elif row.state not in CLOSED:
                drop_unstarted(connection, row, time_s)
                self._cancel_running(connection, row, time_s)
                if (row.state, row.reason) != ("stopping", CANCELLED):
                    # The coordinator makes it `cancelled` once everything is told.
                    set_state(connection, row, "stopping", CANCELLED, time_s)
        self._on_change()
        return self.status(study)

    def retry(self, study: str, *, failed: bool = True) -> Document:
        """Propose the configurations of failed trials again, as new trials at the front.

        Returns:
            `retried`: numbers of the failed trials whose configuration is tried again.
        """
        del failed  # the only kind there is; named so that others can follow
        with self._storage.begin() as connection:
            row = find_study(connection, study, hold=True)
            numbers = self._retry_failed(connection, row)
        self._on_change()
        return {"retried": numbers}

    def _move(
        self, study: str, state: str, *, allowed: tuple[str, ...], reason: str = ""
    ) -> Document:
        with self._storage.begin() as connection:
            row = find_study(connection, study, hold=True)
            if row.state not in allowed:
                why = f" ({row.reason})" if row.reason else ""
                raise StudyError(f"{study} is {row.state}{why}; it cannot become {state}")
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
        t, a = tables.trials, tables.attempts
        # Locked in the order of a finish, which may be at work: attempts, then their trial.
        attempts = connection.execute(
            sa.select(a.c.id)
            .where(a.c.study_id == row.id, a.c.number == trial.number)
            .order_by(a.c.no)
            .with_for_update()
        )
        newest = attempts.scalars().all()[-1]
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

    def _retry_failed(self, connection: sa.Connection, row: sa.Row[Any]) -> Numbers:
        t, s = tables.trials, tables.studies
        now = self._storage.now(connection)
        rows = connection.execute(
            sa.select(t)
            .where(t.c.study_id == row.id, t.c.state == "fail", t.c.cause != "cancelled")
            .order_by(t.c.number)
        ).all()
        asked = set(json.loads(row.retry_json))
        again = [trial.number for trial in rows if trial.number not in asked]
        if again:
            # The new trial counts instead of the failed one.
            connection.execute(
                t.update()
                .where(t.c.study_id == row.id, t.c.number.in_(again))
                .values(counted=False)
            )
            connection.execute(
                s.update()
                .where(s.c.id == row.id)
                .values(
                    retry_json=json.dumps(sorted(asked | set(again))), revision=row.revision + 1
                )
            )
            text = f"trials {', '.join(map(str, again))} are tried again as new trials"
            record_event(connection, now, "study-retry", text, study_id=row.id)
        if row.state in ("finished", "paused", "stopping") and again:
            set_state(connection, row, "running", "", now)
        return again
