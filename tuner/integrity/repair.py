"""Mending what can be mended: each study in a transaction of its own, or not at all."""

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

#: What was mended may bring to light what could not be looked at before: so often at most.
PASSES = 8
#: The reason of a study that was set aside and is whole again.
REPAIRED = "its rows were repaired"

_s = tables.studies
Check = Callable[[sa.Connection, float], Iterator[Finding]]


@dataclass
class Repaired:
    """What a repair has come to. Mutable: it is told of one study after the other.

    Attributes:
        done: what was mended.
        left: what only a user can mend.
    """

    done: list[Finding] = field(default_factory=list)
    left: list[Finding] = field(default_factory=list)


def check(storage: Storage, study: str | None = None) -> list[Finding]:
    """Return what is wrong in a database, or with one study; changes nothing.

    Raises:
        UnavailableError: the database cannot be reached.
    """
    with storage.read() as connection:
        return list(check_database(connection, storage.now(connection), study=study))


def repair(storage: Storage, study: str | None = None) -> Repaired:
    """Mend what can be mended, while the others go on working.

    Args:
        storage: a service may work with it: what it has in memory of a repaired study is read anew.
        study: this one alone; None: all, and what belongs to nobody.

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
    """Mend one thing after the other until nothing that can be mended is found any more."""
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
        # Nothing of this study was changed; what is left is named by the check that follows.
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
    """Have the coordinator load the study anew, and its user see what was done."""
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
