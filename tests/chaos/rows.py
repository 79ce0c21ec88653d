"""What the database holds of one study, read once for the checks."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from optuna.trial import FrozenTrial

from tuner.storage import tables
from tuner.storage.database import open_optuna

ENDED = ("complete", "pruned", "fail")


class StudyRows:
    """Rows of one study.

    Args:
        url: of the database.
        project, name: of the study.

    Attributes:
        attempts: of each trial, in their order.
        reports: of each trial, value by (attempt's number, step).
        events: kinds of each trial's events.
        optuna: the trials as Optuna reads them.
    """

    def __init__(self, url: str, project: str, name: str) -> None:
        s, t, a = tables.studies, tables.trials, tables.attempts
        engine = sa.create_engine(url)
        try:
            with engine.connect() as connection:
                find = sa.select(s).where(s.c.project == project, s.c.name == name)
                self.study: sa.Row[Any] = connection.execute(find).one()
                trials = sa.select(t).where(t.c.study_id == self.study.id).order_by(t.c.number)
                self.trials: list[sa.Row[Any]] = list(connection.execute(trials))
                attempts = sa.select(a).where(a.c.study_id == self.study.id)
                self.attempts: dict[int, list[sa.Row[Any]]] = defaultdict(list)
                for row in connection.execute(attempts.order_by(a.c.number, a.c.no)):
                    self.attempts[row.number].append(row)
                self._read_rest(connection)
        finally:
            engine.dispose()
        self.optuna = _optuna_trials(url, f"{project}/{name}")

    @property
    def has_gaps(self) -> bool:
        """Whether the numbers of the trials are not 0, 1, 2 …: then no other check can be made."""
        return [trial.number for trial in self.trials] != list(range(len(self.trials)))

    def params(self, trial: sa.Row[Any]) -> dict[str, Any]:
        """Return the configuration of a trial."""
        params: dict[str, Any] = json.loads(trial.params_json)
        return params

    def is_outcome(self, attempt: sa.Row[Any]) -> bool:
        """Whether an attempt decided its trial."""
        return bool(self.trials[attempt.number].outcome_attempt == attempt.id)

    def last_report(self, trial: sa.Row[Any]) -> float | None:
        """Return the newest value of the attempt that decided the trial, or one before it."""
        no = next(a.no for a in self.attempts[trial.number] if a.id == trial.outcome_attempt)
        mine = {key: value for key, value in self.reports[trial.number].items() if key[0] <= no}
        return mine[max(mine)] if mine else None

    def _read_rest(self, connection: sa.Connection) -> None:
        r, e = tables.reports, tables.events
        reports = connection.execute(sa.select(r).where(r.c.study_id == self.study.id))
        self.reports: dict[int, dict[tuple[int, int], float]] = defaultdict(dict)
        for row in reports:
            value = float(row.special) if row.special else row.value
            self.reports[row.number][row.no, row.step] = value
        self.events: dict[int | None, list[str]] = defaultdict(list)
        events = sa.select(e.c.number, e.c.kind).where(e.c.study_id == self.study.id)
        for number, kind in connection.execute(events.order_by(e.c.id)):
            self.events[number].append(kind)


def _optuna_trials(url: str, study: str) -> list[FrozenTrial]:
    storage = open_optuna(url)
    try:
        return storage.get_all_trials(storage.get_study_id_from_name(study), deepcopy=False)
    finally:
        storage.remove_session()
        storage.engine.dispose()
