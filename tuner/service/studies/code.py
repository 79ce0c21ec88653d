"""The code of studies: stored snapshots, which files trials have imported, and differences."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from tuner.errors import SpecError
from tuner.snapshot import CodeDifference, compare_code
from tuner.spec import StudySpec
from tuner.storage import tables
from tuner.trials.study import Study

#: Maximum number of code files recorded for a study, and maximum length of their names.
MAX_MODULES = 2000
MAX_MODULE_CHARS = 300
#: Seconds for which an unused snapshot is kept: its submission may be about to arrive.
UNUSED_S = 3600.0

_ELSEWHERE = "an image or an installed package"


def require_code(connection: sa.Connection, code: str | None) -> None:
    """Check that a snapshot exists.

    Raises:
        SpecError: it does not.
    """
    table = tables.snapshots
    if code is None:
        return
    if connection.execute(sa.select(table.c.hash).where(table.c.hash == code)).first() is None:
        raise SpecError(f"code: {code[:80]}: store the snapshot first (PUT /v1/code/…)")


def store_code(connection: sa.Connection, digest: str, content: bytes, now: float) -> None:
    """Store a snapshot if it is new; remove unused ones."""
    table = tables.snapshots
    query = sa.select(table.c.created).where(table.c.hash == digest)
    created = connection.execute(query).scalar_one_or_none()
    if created is None:
        _drop_left(connection, now)
        connection.execute(table.insert().values(hash=digest, content=content, created=now))
    elif created < now - UNUSED_S / 2:
        # Not each time, because the whole content is written again with it.
        connection.execute(table.update().where(table.c.hash == digest).values(created=now))


def drop_unused(connection: sa.Connection, codes: Sequence[str]) -> None:
    """Remove those snapshots that no study and no trial needs."""
    table = tables.snapshots
    for code in codes:
        connection.execute(table.delete().where(table.c.hash == code, *_is_unused()))


def _drop_left(connection: sa.Connection, now: float) -> None:
    """Remove snapshots whose submission changed only files that are not imported."""
    table = tables.snapshots
    # Hashes first: they have an index, and the columns after a content are slow to read.
    unused = connection.execute(sa.select(table.c.hash).where(*_is_unused())).scalars().all()
    for code in unused:
        old = table.c.created < now - UNUSED_S
        connection.execute(table.delete().where(table.c.hash == code, old))


def fresh_modules(study: Study, modules: Sequence[str]) -> set[str]:
    """Return the files that a trial has imported and that are not recorded for its study yet."""
    known = _noted(study.modules_json)
    if len(known) >= MAX_MODULES:
        return set()
    return {name for name in modules if len(name) <= MAX_MODULE_CHARS} - set(known)


def _noted(text: str) -> list[str]:
    """Return the files recorded for a study: none if the record is damaged."""
    try:
        noted = json.loads(text)
    except (TypeError, ValueError):
        return []
    return [str(name) for name in noted] if isinstance(noted, list) else []


def note_modules(connection: sa.Connection, study_id: int, fresh: set[str]) -> None:
    """Record which files of its code a trial of the study has imported."""
    s = tables.studies
    query = sa.select(s.c.modules_json).where(s.c.id == study_id).with_for_update(key_share=True)
    text = connection.execute(query).scalar_one_or_none()
    if text is not None:
        known = _noted(text)
        names = json.dumps([*known, *sorted(fresh - set(known))][:MAX_MODULES])
        connection.execute(s.update().where(s.c.id == study_id).values(modules_json=names))


def find_difference(
    connection: sa.Connection, study: Study, spec: StudySpec, code: str | None
) -> CodeDifference:
    """Return how submitted code differs from the code that the study's next trials run.

    Args:
        code: SHA-256 of the submitted snapshot, None if the code is installed where trials run.
    """
    if study.code == code:
        return CodeDifference(code=())
    if study.code is None or code is None:
        old, new = (
            _ELSEWHERE if one is None else "the spec's folder" for one in (study.code, code)
        )
        text = f"code: from {old} (there) → from {new} (new)"
        return CodeDifference(code=(text,), is_known=False)
    return compare_code(
        _content(connection, study.code),
        _content(connection, code),
        spec.modules,
        loaded=_noted(study.modules_json),
        named=spec.command,
    )


def _content(connection: sa.Connection, code: str) -> bytes | None:
    table = tables.snapshots
    query = sa.select(table.c.content).where(table.c.hash == code)
    content = connection.execute(query).scalar_one_or_none()
    return None if content is None else bytes(content)


def _is_unused() -> tuple[sa.ColumnElement[bool], ...]:
    s, t, table = tables.studies, tables.trials, tables.snapshots
    of_study = sa.select(s.c.id).where(s.c.code == table.c.hash).exists()
    of_trial = sa.select(t.c.number).where(t.c.code == table.c.hash).exists()
    return (~of_study, ~of_trial)
