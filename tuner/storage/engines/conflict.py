"""Repeats transactions that the database has aborted in favor of others."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import sqlalchemy as sa

from tuner.errors import UnavailableError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

#: PostgreSQL's serialization_failure and deadlock_detected.
_ENDED_FOR_OTHERS = frozenset({"40001", "40P01"})


def again_after_conflict(verb: Callable[P, R]) -> Callable[P, R]:
    """Have `verb` try once more if the database has aborted its transaction because of a conflict.

    The first try has left nothing behind; by the second, the other transaction is finished.
    """

    @functools.wraps(verb)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return verb(*args, **kwargs)
        except (UnavailableError, sa.exc.DBAPIError) as exc:
            if not _is_conflict(exc):
                raise
            logger.info("transaction repeated", extra={"verb": verb.__name__})
        return verb(*args, **kwargs)

    return call


def _is_conflict(exc: BaseException) -> bool:
    error = exc if isinstance(exc, sa.exc.DBAPIError) else exc.__cause__
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state in _ENDED_FOR_OTHERS
