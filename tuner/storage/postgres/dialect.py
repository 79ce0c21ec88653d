"""SQLAlchemy's dialect for psycopg, on connections that begin transactions in one round trip."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from typing_extensions import override

from tuner.storage.postgres import BEGAN
from tuner.storage.postgres.connection import PostgresConnection

#: What selects the dialects below in a database URL, as SQLAlchemy knows it.
WRITING = "postgresql+tuner"
READING = "postgresql+tuner_reading"

_CLOCK = b"; SELECT extract(epoch FROM clock_timestamp())"


class PostgresDialect(PGDialect_psycopg):
    """The dialect of an engine that writes.

    psycopg begins a transaction with a statement of its own, and nearly every transaction of the
    service asks for the time next: here both are one round trip.
    """

    supports_statement_cache = True
    _begin = b"BEGIN" + _CLOCK

    @override
    def connect(self, *cargs: Any, **cparams: Any) -> Any:
        return PostgresConnection.connect(*cargs, **{**cparams, "autocommit": True})

    @override
    def do_begin(self, dbapi_connection: Any) -> None:
        began = dbapi_connection.driver_connection.begin(self._begin)
        dbapi_connection.info[BEGAN] = began


class PostgresReadingDialect(PostgresDialect):
    """The dialect of an engine that only reads: a transaction sees the database at one moment."""

    supports_statement_cache = True
    _begin = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" + _CLOCK


for _driver, _dialect in ((WRITING, PostgresDialect), (READING, PostgresReadingDialect)):
    registry.register(_driver.replace("+", "."), __name__, _dialect.__name__)
