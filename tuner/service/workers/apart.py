"""What the rows of one study do to a worker's call: the study is set aside, the worker goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa

from tuner.integrity.diagnosis import diagnose
from tuner.storage import Storage, tables
from tuner.trials.faults import StudyFaultError, reason_of, set_aside

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: So many studies are set aside in one call at most; after that the worker has to ask again.
MOST = 20

_s, _a = tables.studies, tables.attempts


def apart(storage: Storage, call: Callable[[], T]) -> T | None:
    """Return what a call of a worker's returns, made again without the studies that it fails for.

    Args:
        storage: the truth.
        call: one transaction.

    Returns:
        None also where it fails for more studies than can be set aside.
    """
    for _ in range(MOST):
        try:
            return call()
        except StudyFaultError as fault:
            set_study_aside(storage, fault)
    return None


def set_study_aside(storage: Storage, fault: StudyFaultError) -> str:
    """Pause the study of a fault; return the reason.

    Args:
        storage: the truth.
        fault: whose transaction was rolled back. The attempt that it names is let go; its trial
            runs again once the study is repaired.
    """
    cause = fault.__cause__ or fault
    found = diagnose(storage, fault.study_id)
    with storage.begin() as connection:
        query: sa.Select[Any] = sa.select(_s.c.project, _s.c.name)
        study = connection.execute(query.where(_s.c.id == fault.study_id)).first()
        name = "" if study is None else f"{study.project}/{study.name}"
        reason = reason_of(name, fault.step, cause, found)
        now = storage.now(connection)
        set_aside(connection, fault.study_id, reason, now)
        if fault.attempt is not None:
            let_go = {"state": "revoked", "wanted": "cancel", "finished": now, "error": reason}
            connection.execute(_a.update().where(_a.c.id == fault.attempt).values(**let_go))
    facts = {"study": name, "step": fault.step}
    logger.error("study set aside", extra=facts, exc_info=cause)
    return reason
