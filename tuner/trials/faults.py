"""Faults caused by one study's rows, described for the user.

The database's own error texts (a statement, a constraint) mean nothing to users and may contain
host names, so they go into the log only. The reason shown for a study says what was being done,
what is wrong, and which command finds out more.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Literal, get_args

import sqlalchemy as sa

from tuner.errors import FencedError, TunerError, UnavailableError
from tuner.storage.engines.outage import is_damage, is_outage

#: The steps done for a study, in order; each may fail for one study alone.
Step = Literal[
    "looking at its attempts",
    "loading it",
    "learning from history",
    "ending its lost attempts",
    "judging its reports",
    "telling its results",
    "choosing its first rung",
    "looking at its budget",
    "ending it",
    "proposing",
    "giving out a trial",
    "taking a result",
    "taking a report",
    "reading it",
]
STEPS: tuple[Step, ...] = get_args(Step)

#: Start of the reason of a study that was set aside: the study continues once the fault is
#: repaired.
CANNOT_GO_ON = "cannot go on: "
#: Maximum length of the part of an error's text that is quoted, in characters.
_LONGEST = 300


class StudyFaultError(Exception):
    """A step failed for one study; its `__cause__` is the original exception.

    Args:
        step: what was being done.
        attempt: the attempt that a worker holds and should let go, so that it can take another one.
    """

    def __init__(self, study_id: int, step: Step, attempt: str | None = None) -> None:
        super().__init__(f"study {study_id}: {step}")
        self.study_id = study_id
        self.step = step
        self.attempt = attempt


@contextlib.contextmanager
def study_step(
    study_id: int,
    step: Step,
    *,
    attempt: str | None = None,
    passing: type[Exception] | tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Attach the study and the step to any exception that the block raises about the study.

    Args:
        step: what the block does.
        attempt: see `StudyFaultError`.
        passing: exceptions that are meant for the caller and pass unchanged.

    Raises:
        StudyFaultError: the block failed for this study.
    """
    try:
        yield
    except Exception as exc:
        is_answer = isinstance(exc, passing) and not isinstance(exc, UnavailableError)
        if isinstance(exc, StudyFaultError) or is_answer or not is_own(exc):
            raise
        raise StudyFaultError(study_id, step, attempt) from exc


def is_own(exc: BaseException) -> bool:
    """Whether an error in a step of one study is specific to that study.

    An outage affects every study, and a process that has lost the lead, or an attempt, no longer
    matters. An unreadable page of the file, however, may hold the rows of one study alone.
    """
    if isinstance(exc, sa.exc.DBAPIError):
        is_everybodys = isinstance(exc, sa.exc.InterfaceError) or is_outage(exc)
        return is_damage(exc) or not is_everybodys
    if isinstance(exc, UnavailableError):
        return is_damage(exc.__cause__)
    return isinstance(exc, Exception) and not isinstance(exc, FencedError)


def reason_of(study: str, step: Step, exc: BaseException, found: str = "") -> str:
    """Return the reason for setting a study aside.

    Args:
        study: its name.
        step: what was being done.
        found: what is wrong with its rows, where known.
    """
    look = f"what is wrong, and what can be repaired: tuner db check {study}"
    return f"{CANNOT_GO_ON}{step} failed: {found or _in_words(exc)}; {look}"


def _in_words(exc: BaseException) -> str:
    if isinstance(exc, UnavailableError) or (isinstance(exc, sa.exc.DBAPIError) and is_damage(exc)):
        return "a part of the database file cannot be read"
    if isinstance(exc, TunerError):
        return " / ".join(str(exc).splitlines())[:_LONGEST]
    if isinstance(exc, sa.exc.IntegrityError):
        return "rows that it needs are missing in the database, or contradict each other"
    if isinstance(exc, sa.exc.NoResultFound):
        return "rows that it needs are missing in the database"
    if isinstance(exc, sa.exc.SQLAlchemyError):
        return "the database does not take what has to be written of it"
    if isinstance(exc, json.JSONDecodeError):
        return "the text of one of its columns is not the JSON that was written there"
    return f"{type(exc).__name__}: {exc}"[:_LONGEST]
