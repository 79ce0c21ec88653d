"""What could not be written or removed below the roots: recorded with its reason, and retried.

A trial may leave anything in its folder, so an error there concerns only that run: it is retried
rarely, and never delays others.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from tuner.documents.unfiled import Unfiled, UnfiledList
from tuner.roots import UnfitError
from tuner.service.answers.times import iso
from tuner.storage import tables

UnfiledKind = Literal["run", "study", "checkpoints", "root"]

#: Seconds before a retry after the first failure; doubled after each further one.
FIRST_RETRY_S = 10.0
LONGEST_RETRY_S = 3600.0
#: Maximum number listed for a study.
LISTED = 5
_MOST_REASON = 2000
_OF_OTHERS = "a file of another study: the file system does not answer"

#: Errors of the file system itself, whatever is stored there. Includes exhausted file handles.
_OF_THE_SYSTEM = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EIO,
        errno.ESTALE,
        errno.ENODEV,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
        errno.EHOSTDOWN,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
    }
)

_u = tables.unfiled


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What was to be written or removed; see the columns of `tables.unfiled`."""

    kind: UnfiledKind
    study_id: int
    key: str = ""
    number: int | None = None


def is_of_the_system(error: BaseException) -> bool:
    """Whether an error is about the file system itself, not about what is stored there."""
    is_known = isinstance(error, OSError) and not isinstance(error, UnfitError)
    return is_known and getattr(error, "errno", None) in _OF_THE_SYSTEM


def reason_of(error: BaseException, root: Path) -> str:
    """Return what went wrong, for people; paths are relative to the root."""
    if not isinstance(error, OSError):
        return f"{type(error).__name__}: {error}"[:_MOST_REASON]
    text = error.strerror or str(error)
    if not isinstance(error.filename, str | bytes):
        return text[:_MOST_REASON]
    path = (
        error.filename.decode(errors="replace")
        if isinstance(error.filename, bytes)
        else error.filename
    )
    return f"{path.removeprefix(f'{root}/')}: {text}"[:_MOST_REASON]


def note(
    connection: sa.Connection, subject: Subject, reason: str, now: float, *, waiting: bool = False
) -> None:
    """Record that something could not be done, unless its study was deleted meanwhile.

    Args:
        reason: for people.
        now: the database's time.
        waiting: whether the file system has not answered yet.
    """
    if subject.study_id and not _is_there(connection, subject.study_id):
        return
    row = connection.execute(sa.select(_u).where(_is(subject))).first()
    tries = 1 if row is None else row.tries + (not waiting)
    values = {
        "number": subject.number,
        "reason": reason,
        "waiting": waiting,
        "tries": tries,
        "next_try": now + min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(tries - 1, 20)),
    }
    if row is not None:
        connection.execute(_u.update().where(_is(subject)).values(**values))
        return
    key = {"kind": subject.kind, "study_id": subject.study_id, "key": subject.key}
    connection.execute(_u.insert().values(**key, **values, since=now))


def forgive(connection: sa.Connection, subject: Subject) -> None:
    """Record that something was done after all."""
    connection.execute(_u.delete().where(_is(subject)))


def forget_study(connection: sa.Connection, study_id: int) -> None:
    """Remove the records of a study."""
    connection.execute(_u.delete().where(_u.c.study_id == study_id))


def forget_waiting(connection: sa.Connection) -> None:
    """Remove records of what an earlier server waited for, and of deleted studies."""
    connection.execute(_u.delete().where(_u.c.waiting))
    known = sa.select(tables.studies.c.id)
    connection.execute(_u.delete().where(_u.c.study_id != 0, _u.c.study_id.not_in(known)))


def not_due(connection: sa.Connection, kind: UnfiledKind, now: float) -> set[int]:
    """Return the studies for which something of this kind is not due for a retry yet."""
    query = sa.select(_u.c.study_id).where(_u.c.kind == kind, _u.c.next_try > now)
    return set(connection.execute(query).scalars())


def due_studies(connection: sa.Connection, kind: UnfiledKind, now: float) -> set[int]:
    """Return the studies for which something of this kind is due for a retry now."""
    query = sa.select(_u.c.study_id).where(_u.c.kind == kind, _u.c.next_try <= now)
    return set(connection.execute(query).scalars())


def due_runs(connection: sa.Connection, now: float, *, most: int) -> list[Subject]:
    """Return at most `most` runs that are due for a retry, the longest due first."""
    query = (
        sa.select(_u.c.study_id, _u.c.key, _u.c.number)
        .where(_u.c.kind == "run", _u.c.next_try <= now)
        .order_by(_u.c.next_try)
        .limit(most)
    )
    return [
        Subject(kind="run", study_id=study_id, key=key, number=number)
        for study_id, key, number in connection.execute(query)
    ]


def counts(connection: sa.Connection) -> Mapping[str, int]:
    """Return the number of records of each kind."""
    query = sa.select(_u.c.kind, sa.func.count()).group_by(_u.c.kind)
    return {row[0]: row[1] for row in connection.execute(query)}


def of_study(connection: sa.Connection, study_id: int) -> UnfiledList | None:
    """Return what is recorded for a study, and what all studies wait for; None: nothing.

    Returns:
        `total`, and `first`: the documents of the roots, then of the oldest records.
    """
    waits = sa.and_(_u.c.waiting, _u.c.study_id != study_id)
    mine = sa.or_(_u.c.study_id == study_id, waits)
    total = connection.execute(sa.select(sa.func.count()).select_from(_u).where(mine)).scalar_one()
    if not total:
        return None
    # Roots first: while one does not answer, the records below it have the same cause.
    order = (_u.c.waiting.desc(), (_u.c.kind != "root"), _u.c.since)
    query = sa.select(_u).where(mine).order_by(*order).limit(LISTED)
    return {"total": total, "first": _documents(connection, query, seen_from=study_id)}


def of_trial(connection: sa.Connection, study_id: int, number: int) -> list[Unfiled]:
    """Return the documents of what is recorded for a trial's runs."""
    query = (
        sa.select(_u)
        .where(_u.c.study_id == study_id, _u.c.kind == "run", _u.c.number == number)
        .order_by(_u.c.since)
        .limit(LISTED)
    )
    return _documents(connection, query)


def _documents(
    connection: sa.Connection, query: sa.Select[Any], *, seen_from: int | None = None
) -> list[Unfiled]:
    found: list[Unfiled] = []
    for row in connection.execute(query):
        is_others = seen_from is not None and row.study_id not in (0, seen_from)
        found.append(
            {
                "kind": "root" if is_others else row.kind,
                "trial": None if is_others else row.number,
                # A caller that may see this study need not be allowed to see the other one.
                "reason": _OF_OTHERS if is_others else row.reason,
                "waiting": row.waiting,
                "tries": row.tries,
                "since": iso(row.since),
                "next_try": iso(row.next_try),
            }
        )
    return found


def _is(subject: Subject) -> sa.ColumnElement[bool]:
    return sa.and_(
        _u.c.kind == subject.kind,
        _u.c.study_id == subject.study_id,
        _u.c.key == subject.key,
    )


def _is_there(connection: sa.Connection, study_id: int) -> bool:
    s = tables.studies
    # Locked, so that a deletion of the study finds what is recorded here.
    query = sa.select(s.c.id).where(s.c.id == study_id).with_for_update(key_share=True, read=True)
    return connection.execute(query).first() is not None
