"""The API's tokens as typed objects. Only the SHA-256 of a token is stored."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from tuner.errors import NotFoundError, StudyError
from tuner.security.identity import WORKERS, Identity, Scope
from tuner.storage import tables

#: Seconds after its end during which a token is still recognized; after that it is refused like an
#: unknown one.
REMEMBERED_S = 30 * 86_400.0
#: Minimum seconds between two updates of `last_used`.
USED_EVERY_S = 300.0

_t = tables.tokens
_IN_MIND = sa.select(_t).where(
    sa.or_(_t.c.revoked.is_(None), _t.c.revoked > sa.bindparam("after", type_=sa.Float)),
    sa.or_(_t.c.expires.is_(None), _t.c.expires > sa.bindparam("after", type_=sa.Float)),
)
# Built once: it is used by every claim of a worker that reports an image.
_CLOSING = (
    sa.select(sa.literal(1))
    .where(
        _t.c.closes_image,
        # The image is the digest alone, or a name followed by the digest.
        sa.func.substr(_t.c.image, sa.func.length(_t.c.image) - 70)
        == sa.bindparam("digest", type_=sa.String),
        _t.c.revoked.is_(None),
        sa.or_(_t.c.expires.is_(None), _t.c.expires > sa.bindparam("now", type_=sa.Float)),
    )
    .limit(1)
)


class TokenState(StrEnum):
    """Whether a token is valid at a moment."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token without its secret. Times are seconds since the epoch by the database's clock.

    Attributes:
        identity: what its bearer is allowed to do.
        created: when it was made.
        actor: who created it, as user@host reported by the client.
        expires: when it stops being valid; None: never.
        revoked: when it was revoked; None: it was not.
        last_used: accurate to a few minutes (`USED_EVERY_S`); None: never used.
    """

    identity: Identity
    created: float
    actor: str | None
    expires: float | None
    revoked: float | None
    last_used: float | None

    def state(self, now: float) -> TokenState:
        """Return whether it is valid at `now`."""
        if self.revoked is not None:
            return TokenState.REVOKED
        is_over = self.expires is not None and self.expires <= now
        return TokenState.EXPIRED if is_over else TokenState.ACTIVE


def add_token(
    connection: sa.Connection,
    identity: Identity,
    digest: str,
    now: float,
    *,
    expires: float | None,
    actor: str | None,
) -> Token:
    """Store a token; an expired one of the same name is replaced.

    Args:
        identity: what its bearer is allowed to do; its `token_id` is ignored.
        digest: SHA-256 of the token.
        now: the database's time.
        expires: when it stops being valid.
        actor: who creates it.

    Raises:
        StudyError: a valid token of this name exists.
    """
    expired = (_t.c.name == identity.name, _t.c.revoked.is_(None), _t.c.expires <= now)
    connection.execute(_t.update().where(*expired).values(revoked=_t.c.expires))
    row = {
        "name": identity.name,
        "digest": digest,
        "scopes_json": json.dumps(sorted(identity.scopes)),
        "projects_json": projects_json(identity),
        "image": identity.image,
        "lock": identity.lock,
        "files": identity.files,
        "closes_image": identity.image is not None,
        "created": now,
        "actor": actor,
        "expires": expires,
    }
    try:
        added = connection.execute(_t.insert().values(**row).returning(_t)).one()
    except sa.exc.IntegrityError:
        raise StudyError(
            f"a token {identity.name!r} is already in force; choose another name, or first: "
            f"tuner token revoke {identity.name}"
        ) from None
    return _token(added)


def list_tokens(connection: sa.Connection) -> list[Token]:
    """Return every token ever created, newest first."""
    query = sa.select(_t).order_by(_t.c.id.desc())
    return [_token(row) for row in connection.execute(query)]


def tokens_in_mind(connection: sa.Connection, now: float) -> dict[str, Token]:
    """Return the valid tokens, and those that ended recently, by their SHA-256."""
    rows = connection.execute(_IN_MIND, {"after": now - REMEMBERED_S})
    return {row.digest: _token(row) for row in rows}


def revoke_token(connection: sa.Connection, name: str, now: float) -> Token:
    """Revoke a token; idempotent.

    Raises:
        NotFoundError: there never was a token of this name.
    """
    query = _t.update().where(_t.c.name == name, _t.c.revoked.is_(None)).values(revoked=now)
    row = connection.execute(query.returning(_t)).first()
    if row is None:
        newest = sa.select(_t).where(_t.c.name == name).order_by(_t.c.id.desc()).limit(1)
        row = connection.execute(newest).first()
    if row is None:
        live = sa.select(_t.c.name).where(_t.c.revoked.is_(None)).order_by(_t.c.name).limit(20)
        known = ", ".join(connection.execute(live).scalars()) or "none"
        raise NotFoundError(f"there is no token {name[:63]!r}; in force: {known}")
    return _token(row)


def is_in_force(connection: sa.Connection, token_id: int, now: float) -> bool:
    """Whether the token of this id is valid; that of the server's own workers always is."""
    if token_id == WORKERS.token_id:
        return True
    row = connection.execute(sa.select(_t).where(_t.c.id == token_id)).first()
    return row is not None and _token(row).state(now) is TokenState.ACTIVE


def closes_image(connection: sa.Connection, digest: str, now: float) -> bool:
    """Whether a valid token is bound to the image of this digest, and reserves it.

    Tokens of an earlier release reserve nothing: workers that had reported the image may continue.

    Args:
        digest: `sha256:…`.
        now: the database's time.
    """
    return connection.execute(_CLOSING, {"digest": digest, "now": now}).first() is not None


def note_used(connection: sa.Connection, token_ids: Collection[int], now: float) -> None:
    """Record that tokens were used just now."""
    connection.execute(_t.update().where(_t.c.id.in_(token_ids)).values(last_used=now))


def projects_json(identity: Identity) -> str:
    """Return the projects as stored in the column; `null`: all."""
    return json.dumps(None if identity.projects is None else sorted(identity.projects))


def _token(row: sa.Row[Any]) -> Token:
    projects = json.loads(row.projects_json)
    return Token(
        identity=Identity(
            name=row.name,
            scopes=frozenset(map(Scope, json.loads(row.scopes_json))),
            projects=None if projects is None else frozenset(projects),
            token_id=row.id,
            image=row.image,
            lock=row.lock,
            files=row.files,
        ),
        created=row.created,
        actor=row.actor,
        expires=row.expires,
        revoked=row.revoked,
        last_used=row.last_used,
    )
