"""Repairs what can be repaired: each study in its own transaction, completely or not at all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tuner.errors import TunerError, UnavailableError
from tuner.integrity.database import check_database, check_others
from tuner.integrity.finding import Finding
from tuner.integrity.raw import raw_name, raw_studies, raw_study
from tuner.integrity.study import check_study
from tuner.storage import Storage, tables
from tuner.trials.faults import CANNOT_GO_ON
from tuner.trials.store.events import record_event

logger = logging.getLogger(__name__)

#: Maximum number of passes: each repair may uncover faults that could not be examined before.
PASSES = 8
#: The reason given for a study that was set aside and is sound again.
REPAIRED = "its rows were repaired"

_s = tables.studies
Check = Callable[[sa.Connection, float], Iterator[Finding]]


@dataclass
class Repaired:
    """The result of a repair. Mutable: it grows with every study.

    Attributes:
        done: what was repaired.
        left: what only a user can repair.
    """

    done: list[Finding] = field(default_factory=list)
    left: list[Finding] = field(default_factory=list)


def check(storage: Storage, study: str | None = None) -> list[Finding]:
    """Return the faults of a database, or of one study, without changing anything.

    Raises:
        UnavailableError: the database cannot be reached.
    """
    with storage.read() as connection:
        return list(check_database(connection, storage.now(connection), study=study))


def repair(storage: Storage, study: str | None = None) -> Repaired:
    """Repair what can be repaired, while everything else keeps running.

    Args:
        storage: may be in use by a service, which reloads repaired studies from the database.
        study: only this one; None: all, and rows that belong to no study.

    Raises:
        UnavailableError: the database cannot be reached.
    """
    result = Repaired()
    if study is None:
        _mend_in_turn(storage, result, None, lambda connection, _now: check_others(connection))
    with storage.read() as connection:
        rows = raw_studies(connection)
    for row in rows:
        if study in (None, raw_name(row)):
            _mend_in_turn(storage, result, row["id"], _of_study(row["id"]))
    result.left = check(storage, study)
    return result


def _of_study(study_id: Any) -> Check:
    def check(connection: sa.Connection, now: float) -> Iterator[Finding]:
        row = raw_study(connection, study_id)
        return iter(()) if row is None else check_study(connection, row, now)

    return check


def _mend_in_turn(storage: Storage, result: Repaired, study_id: Any, check: Check) -> None:
    """Repair one fault after the other until no repairable one is found."""
    try:
        with storage.begin() as connection:
            now = storage.now(connection)
            if study_id is not None:
                held = sa.select(_s.c.id).where(_s.c.id == study_id).with_for_update()
                connection.execute(held)
            done = _mend_all(connection, check, now)
            if study_id is not None and done:
                _note(connection, study_id, done, now)
    except UnavailableError:
        raise
    except (TunerError, sa.exc.SQLAlchemyError, ValueError, TypeError, LookupError):
        # This study was not changed; the check that follows lists what is left.
        logger.warning("study not repaired", extra={"study_id": study_id}, exc_info=True)
        return
    result.done += done


def _mend_all(connection: sa.Connection, check: Check, now: float) -> list[Finding]:
    done: list[Finding] = []
    tried: set[str] = set()
    for _ in range(PASSES):
        found = [f for f in check(connection, now) if f.mend and f.text not in tried]
        for finding in found:
            tried.add(finding.text)
            if finding.mend is not None:
                finding.mend(connection, now)
        done += found
        if not found:
            break
    return done


def _note(connection: sa.Connection, study_id: Any, done: list[Finding], now: float) -> None:
    """Make the coordinator reload the study, and tell its user what was done."""
    row = raw_study(connection, study_id)
    if row is None:
        raise LookupError(f"study {study_id} was deleted while it was repaired")
    values: dict[str, Any] = {"revision": row["revision"] + 1}
    if str(row["reason"]).startswith(CANNOT_GO_ON):
        values["reason"] = f"{REPAIRED}; continue with: tuner resume {raw_name(row)}"
    connection.execute(_s.update().where(_s.c.id == study_id).values(**values))
    for finding in done:
        text = f"{finding.text}: {finding.does}"[:1000]
        record_event(connection, now, "study-repaired", text, study_id=study_id)
