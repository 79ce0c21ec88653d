"""KEDA's part, played on a real PostgreSQL: the user that it is, and the query that it asks."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import make_url

from tests.kubernetes.kustomize import KUBERNETES, documents

GRANTS = KUBERNETES / "components" / "scaled-workers" / "grants.sql"


def scaled_job(overlay: str) -> dict[str, Any]:
    """Return the spec of an overlay's ScaledJob."""
    (found,) = (d["spec"] for d in documents(overlay) if d["kind"] == "ScaledJob")
    return found


def query_for(overlay: str, *, image: str, gpus: int) -> str:
    """Return the query of an overlay as it stands where its workers have this image and GPUs."""
    query: str = scaled_job(overlay)["triggers"][0]["metadata"]["query"]
    worker = f"VALUES ('{image}', '{gpus}'::int)"
    changed, count = re.subn(r"VALUES \('[^']*', '\d+'::int\)", worker, query)
    assert count == 1
    return changed


@dataclass(frozen=True)
class Keda:
    """A connection as KEDA's user."""

    connection: psycopg.Connection[Any]

    def ask(self, query: str) -> int:
        """Return what the query counts: one whole number, as KEDA wants it."""
        rows = self.connection.execute(query.encode()).fetchall()
        ((count,),) = rows
        assert isinstance(count, int)
        return count


@contextlib.contextmanager
def keda_of(url: str) -> Iterator[Keda]:
    """Make KEDA's user on a database as its page says, come in as that user, and remove it.

    Args:
        url: SQLAlchemy's, of the owner of the tables.
    """
    # Users belong to the whole server, which other tests may share.
    name, password = f"tuner_keda_{secrets.token_hex(4)}", secrets.token_hex(8)
    grants = GRANTS.read_text().replace("tuner_keda", name).replace(":'password'", f"'{password}'")
    owner = make_url(url).set(drivername="postgresql")
    user = owner.set(username=name, password=password)
    with psycopg.connect(_text(owner), autocommit=True) as connection:
        connection.execute(grants.encode())
        try:
            with psycopg.connect(_text(user), autocommit=True) as own:
                yield Keda(own)
        finally:
            connection.execute(f"DROP OWNED BY {name}".encode())
            connection.execute(f"DROP ROLE {name}".encode())


def _text(url: Any) -> str:
    return str(url.render_as_string(hide_password=False))
