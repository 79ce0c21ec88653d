"""The first rung of a study, decided from its results and stored before it applies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.leadership import Leadership
from tuner.coordinator.studies.study_run import StudyRun
from tuner.proposals.pruners.first_rung import FirstRung
from tuner.proposals.pruners.marks import FIRST_RUNG
from tuner.storage import Storage, optuna_rows
from tuner.trials.store.events import record_event
from tuner.trials.store.studies import share_study

#: Kinds of events: where trials are judged first, and why; and that this rung misleads.
CHOSEN, MISLEADS = "pruner-rung", "pruner-misleads"


def keep_first_rung(storage: Storage, leadership: Leadership, run: StudyRun) -> None:
    """Choose, move or warn of the first rung, if trials that have ended since suggest so.

    Raises:
        FencedError: another coordinator leads.
        MissingRowsError: Optuna's tables no longer contain the study.
        UnavailableError: the database cannot be reached; try again.
    """
    if not run.rung_is_open:
        return
    old = run.first_rung
    new = run.decide_rung()
    if new is not None:
        with storage.begin("first-rung") as connection:
            leadership.require(connection)
            optuna_id = share_study(connection, run.study.id)
            if optuna_id is None:
                return  # it was deleted just now
            optuna_rows.require_study(connection, optuna_id, run.name)
            attrs: Mapping[str, Any] = {FIRST_RUNG: new.to_json()}
            optuna_rows.set_study_attrs(connection, optuna_id, attrs)
            _tell(connection, storage.now(connection), run.study.id, old, new)
    run.take_rung(new)


def _tell(
    connection: sa.Connection, now: float, study_id: int, old: FirstRung | None, new: FirstRung
) -> None:
    if old is None or new.text != old.text:
        record_event(connection, now, CHOSEN, new.text, study_id=study_id)
    if new.warning and (old is None or new.warning != old.warning):
        text = f"the first rung may mislead: {new.warning}"
        record_event(connection, now, MISLEADS, text, study_id=study_id)
