"""What one study's rows did to whoever worked with them, in words.

A database says what it met in its own words (a statement, a constraint), which tell a user nothing
and may hold names of hosts: they go into the log. The reason of a study says what was being done,
what is wrong, and the command that finds out more.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Literal, get_args

import sqlalchemy as sa

from tuner.errors import FencedError, TunerError, UnavailableError
from tuner.storage.outage import is_damage, is_outage

#: What is done for a study, one after the other; each is a step that may fail for it alone.
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

#: How the reason of a study begins that was set aside: it goes on once that is mended.
CANNOT_GO_ON = "cannot go on: "
#: Of what an error says, characters.
_LONGEST = 300


class StudyFaultError(Exception):
    """A step failed for one study; its cause is the exception that it failed with.

    Args:
        step: what was being done.
        attempt: what a worker holds, and should let go so that it can take another.
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
    """Have what the block raises about the study say which study and which step it was.

    Args:
        step: what is done in the block.
        attempt: see `StudyFaultError`.
        passing: what is raised on purpose for whoever has called.

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
    """Whether an error in a step of one study says something about that study.

    An outage is everybody's, and who has lost the lead, or an attempt, is no longer asked. A page
    of the file that cannot be read may hold the rows of one study alone.
    """
    if isinstance(exc, sa.exc.DBAPIError):
        is_everybodys = isinstance(exc, sa.exc.InterfaceError) or is_outage(exc)
        return is_damage(exc) or not is_everybodys
    if isinstance(exc, UnavailableError):
        return is_damage(exc.__cause__)
    return isinstance(exc, Exception) and not isinstance(exc, FencedError)


def reason_of(study: str, step: Step, exc: BaseException, found: str = "") -> str:
    """Return why a study was set aside.

    Args:
        study: its name.
        step: what was being done.
        found: what is wrong with its rows, where that is known.
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
