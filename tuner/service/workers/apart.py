"""Handles a study's damaged rows in a worker's call: sets the study aside, and continues."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from tuner.integrity.diagnosis import diagnose
from tuner.storage import Storage
from tuner.trials.faults import StudyFaultError, reason_of
from tuner.trials.states import AttemptState
from tuner.trials.store.attempts import set_attempt
from tuner.trials.store.setting_aside import set_aside
from tuner.trials.store.studies import study_name

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Maximum number of studies set aside in one call; after that the worker has to ask again.
MOST = 20


def apart(storage: Storage, call: Callable[[], T]) -> T | None:
    """Return the result of a worker's call, repeated without the studies that make it fail.

    Args:
        storage: the database.
        call: one transaction.

    Returns:
        The result; None also if it fails for more studies than can be set aside.
    """
    for _ in range(MOST):
        try:
            return call()
        except StudyFaultError as fault:
            set_study_aside(storage, fault)
    return None


def set_study_aside(storage: Storage, fault: StudyFaultError) -> str:
    """Pause the study with a fault; return the reason.

    Args:
        storage: the database.
        fault: its transaction was rolled back. The attempt that it names is released; its trial
            runs again once the study is repaired.
    """
    cause = fault.__cause__ or fault
    found = diagnose(storage, fault.study_id)
    with storage.begin() as connection:
        name = study_name(connection, fault.study_id)
        reason = reason_of(name, fault.step, cause, found)
        now = storage.now(connection)
        set_aside(connection, fault.study_id, reason, now)
        if fault.attempt is not None:
            let_go = {"state": AttemptState.REVOKED, "wanted": "cancel", "finished": now}
            set_attempt(connection, fault.attempt, **let_go, error=reason)
    facts = {"study": name, "step": fault.step}
    logger.error("study set aside", extra=facts, exc_info=cause)
    return reason
