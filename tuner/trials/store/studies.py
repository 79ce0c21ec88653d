"""The rows of studies.

Rows are locked in a fixed order: a study, then its trial's attempts by number, then the trial, and
finally the worker. On PostgreSQL two transactions that lock in different orders can deadlock; the
database then aborts one of them. SQLite has one writer at a time and needs none of this.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from tuner.errors import NotFoundError, SpecError, StudyError
from tuner.protocol import NAME_PATTERN
from tuner.security.identity import caller
from tuner.space.problem import did_you_mean
from tuner.storage import tables
from tuner.trials.attempt import Attempt
from tuner.trials.faults import StudyFaultError
from tuner.trials.states import OPEN, StudyState
from tuner.trials.store.columns import columns, in_states
from tuner.trials.study import Study

#: Maximum number of studies named in the message if one is not found.
_NEWEST = 5
_NAME = re.compile(f"{NAME_PATTERN}/{NAME_PATTERN}")

_s, _a = tables.studies, tables.attempts
_BY_ID = sa.select(_s).where(_s.c.id == sa.bindparam("of_study"))
_OF_ATTEMPT = (
    sa.select(_s).join(_a, _a.c.study_id == _s.c.id).where(_a.c.id == sa.bindparam("attempt_id"))
)
# Shared with everything but the deletion of the study, so that it blocks nobody else.
_HOLD = _OF_ATTEMPT.with_for_update(of=_s, read=True, key_share=True)
_HOLD_TO_CHANGE = _OF_ATTEMPT.with_for_update(of=_s, key_share=True)
_HOLD_ID = (
    sa.select(_s.c.id).where(_s.c.id == sa.bindparam("of_study")).with_for_update(key_share=True)
)


# Prevents its deletion while rows are written for it.
_SHARE = (
    sa.select(_s.c.optuna_id)
    .where(_s.c.id == sa.bindparam("of_study"))
    .with_for_update(read=True, key_share=True)
)
_OPEN = sa.select(_s).where(in_states(_s.c.state, OPEN))
# The name that Optuna's study has now: somebody may have deleted it there.
_optuna = sa.table("studies", sa.column("study_id"), sa.column("study_name", sa.Text))
_OPTUNA_NAME = (
    sa.select(_optuna.c.study_name)
    .where(_optuna.c.study_id == _s.c.optuna_id)
    .correlate(_s)
    .scalar_subquery()
    .label("optuna_name")
)
_RESERVE = (
    _s.update()
    .where(
        _s.c.id == sa.bindparam("of_study"),
        _s.c.next_number == sa.bindparam("number", type_=sa.Integer),
        _s.c.state == StudyState.RUNNING.value,
        # A trial has found parameters, or a user has edited the study.
        _s.c.revision == sa.bindparam("of_revision", type_=sa.Integer),
    )
    .values(next_number=_s.c.next_number + 1)
    .returning(_s, _OPTUNA_NAME)
)
_COUNT_TOLD = (
    _s.update()
    .where(_s.c.id == sa.bindparam("of_study"))
    .values(told=_s.c.told + sa.bindparam("count", type_=sa.Integer))
    .returning(_s.c.told, _s.c.optuna_id, _OPTUNA_NAME)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """Number of a study's results told to Optuna, and the study's id and name there."""

    told: int
    optuna_id: int
    #: None: there is no such study.
    optuna_name: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reserved:
    """A study whose next trial has a number, and the name that the study has in Optuna's tables."""

    study: Study
    #: None: there is no such study.
    optuna_name: str | None


def find_study(
    connection: sa.Connection, study: str, *, hold: Literal["change", "delete"] | None = None
) -> Study:
    """Return the study called `project/study`.

    Args:
        study: its name.
        hold: lock it until the transaction ends, in order to change it or to delete it: then nobody
            can add a trial or an attempt meanwhile.

    Raises:
        SpecError: the name is malformed.
        NotFoundError: there is no such study.
        StudyError: its state is unknown.
    """
    return _readable(find_study_row(connection, study, hold=hold), study)


def find_study_row(
    connection: sa.Connection, study: str, *, hold: Literal["change", "delete"] | None = None
) -> sa.Row[Any]:
    """Return the row of `project/study`, whatever it holds; otherwise like `find_study`."""
    if not _NAME.fullmatch(study):
        raise SpecError(f"{study[:100]!r} is not a study; write project/study")
    row = _named(connection, study, hold=hold)
    if row is None:
        raise NotFoundError(f"there is no study {study}; {_hint(connection, study)}")
    return row


def hold_named(connection: sa.Connection, study: str) -> Study | None:
    """Return `project/study`, locked for a change until the transaction ends; None if missing.

    Raises:
        StudyError: its state is unknown.
    """
    row = _named(connection, study, hold="change")
    return None if row is None else _readable(row, study)


def _named(
    connection: sa.Connection, study: str, *, hold: Literal["change", "delete"] | None
) -> sa.Row[Any] | None:
    project, name = study.split("/")
    query = sa.select(_s).where(_s.c.project == project, _s.c.name == name)
    if hold is not None:
        query = query.with_for_update(key_share=hold == "change")
    return connection.execute(query).first()


def _readable(row: sa.Row[Any], study: str) -> Study:
    try:
        return Study.of(row)
    except ValueError as exc:
        raise StudyError(
            f"{study} cannot be read: {exc}; what can be repaired is by: "
            f"tuner db check --repair {study}"
        ) from exc


def visible() -> sa.ColumnElement[bool]:
    """Return the condition for studies of the caller's projects."""
    projects = caller().projects
    return sa.true() if projects is None else _s.c.project.in_(projects)


def _hint(connection: sa.Connection, study: str) -> str:
    """Return which study may have been meant, and the newest ones."""
    query = sa.select(_s.c.project, _s.c.name).where(visible()).order_by(_s.c.created.desc())
    rows = connection.execute(query).all()
    known = [f"{row.project}/{row.name}" for row in rows]
    # The same name in another project takes precedence over similar spellings.
    same = [name for name in known if name.partition("/")[2] == study.partition("/")[2]]
    near = did_you_mean(same[0] if same else study, known)
    return f"{near}newest: {', '.join(known[:_NEWEST]) or 'none yet'}"


def read_study(connection: sa.Connection, study_id: int) -> Study | None:
    """Return a study; None if there is none with this id.

    Raises:
        ValueError: its state is unknown.
    """
    row = connection.execute(_BY_ID, {"of_study": study_id}).first()
    return None if row is None else Study.of(row)


def study_of(connection: sa.Connection, attempt: Attempt) -> Study:
    """Return the study that an attempt belongs to.

    Raises:
        NotFoundError: it was just deleted.
        ValueError: its state is unknown.
    """
    study = read_study(connection, attempt.study_id)
    if study is None:
        raise NotFoundError(f"attempt {attempt.id} was deleted with its study")
    return study


def hold_study(
    connection: sa.Connection, attempt_id: str, *, to_change: bool = False
) -> Study | None:
    """Return the study of an attempt, which cannot be deleted until the transaction ends.

    Call this before locking an attempt in a transaction that may insert one: otherwise the study
    could be deleted while the new row is inserted.

    Args:
        to_change: lock it for a change of its own row.

    Returns:
        None: there is no such attempt (any more).

    Raises:
        StudyFaultError: its state is unknown.
    """
    query = _HOLD_TO_CHANGE if to_change else _HOLD
    row = connection.execute(query, {"attempt_id": attempt_id}).first()
    if row is None:
        return None
    try:
        return Study.of(row)
    except ValueError as exc:
        raise StudyFaultError(row.id, "reading it", attempt_id) from exc


def hold_study_id(connection: sa.Connection, study_id: int) -> None:
    """Lock a study until the transaction ends."""
    connection.execute(_HOLD_ID, {"of_study": study_id})


def study_name(connection: sa.Connection, study_id: int) -> str:
    """Return `project/study`, whatever else its row holds; empty if there is none with this id."""
    query: sa.Select[Any] = sa.select(_s.c.project, _s.c.name)
    row = connection.execute(query.where(_s.c.id == study_id)).first()
    return "" if row is None else f"{row.project}/{row.name}"


def next_numbers(connection: sa.Connection) -> dict[str, int]:
    """Return the number of each study's next trial, by `project/study`."""
    query = sa.select(_s.c.project, _s.c.name, _s.c.next_number).order_by(_s.c.id)
    return {f"{project}/{name}": number for project, name, number in connection.execute(query)}


def wanted_image(connection: sa.Connection, digest: str) -> str | None:
    """Return the image with this digest and its name, as the newest open study requires it."""
    query = (
        sa.select(_s.c.image)
        .where(_s.c.image.endswith(f"@{digest}"), in_states(_s.c.state, OPEN))
        .order_by(_s.c.id.desc())
        .limit(1)
    )
    image: str | None = connection.execute(query).scalar_one_or_none()
    return image


def open_studies(connection: sa.Connection) -> list[Study]:
    """Return the studies that the coordinator manages."""
    return [Study.of(row) for row in connection.execute(_OPEN)]


def share_study(connection: sa.Connection, study_id: int) -> int | None:
    """Keep a study from being deleted until the transaction ends; return its Optuna id.

    None: it was already deleted.
    """
    optuna_id: int | None = connection.execute(_SHARE, {"of_study": study_id}).scalar_one_or_none()
    return optuna_id


def exists(connection: sa.Connection, study_id: int) -> bool:
    """Whether there is a study with this id, whatever its row holds."""
    query = sa.select(_s.c.id).where(_s.c.id == study_id)
    return connection.execute(query).first() is not None


def reserve_number(connection: sa.Connection, study: Study, number: int) -> Reserved | None:
    """Take the number of a study's next trial; return the updated study.

    Returns:
        None: the next number differs, or the study was changed or is no longer running.
    """
    parameters = {"of_study": study.id, "number": number, "of_revision": study.revision}
    row = connection.execute(_RESERVE, parameters).first()
    if row is None:
        return None
    *values, optuna_name = row
    return Reserved(study=Study.of(values), optuna_name=optuna_name)


def count_told(connection: sa.Connection, study_id: int, count: int) -> Told | None:
    """Add to the number of results told to Optuna; return the new number.

    None: the study was deleted.
    """
    row = connection.execute(_COUNT_TOLD, {"of_study": study_id, "count": count}).first()
    if row is None:
        return None
    return Told(told=row.told, optuna_id=row.optuna_id, optuna_name=row.optuna_name)


def set_study(connection: sa.Connection, study_id: int, **values: Any) -> None:
    """Set columns of a study."""
    connection.execute(_s.update().where(_s.c.id == study_id).values(**columns(values)))


def set_running_reason(connection: sa.Connection, study_id: int, reason: str) -> bool:
    """Set the reason of a running study; return whether it is running."""
    changed = connection.execute(
        _s.update()
        .where(_s.c.id == study_id, _s.c.state == StudyState.RUNNING.value)
        .values(reason=reason)
    )
    return bool(changed.rowcount)


def is_still(connection: sa.Connection, study: Study) -> bool:
    """Whether the study is still in the state that was read earlier; locks it if so.

    The user may have paused, resumed or edited it meanwhile, which takes precedence; or a trial has
    found parameters to continue with.
    """
    query = sa.select(_s.c.id).where(
        _s.c.id == study.id, _s.c.state == study.state.value, _s.c.revision == study.revision
    )
    return connection.execute(query.with_for_update(key_share=True)).first() is not None


def skip_gap(connection: sa.Connection, since: float, now: float) -> None:
    """Subtract the time from `since` to `now`, without a coordinator, from all running studies."""
    if now <= since:
        return
    began = sa.case((_s.c.running_since < since, _s.c.running_since + (now - since)), else_=now)
    connection.execute(
        _s.update().where(_s.c.running_since.is_not(None)).values(running_since=began)
    )
