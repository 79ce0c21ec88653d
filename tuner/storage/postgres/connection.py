"""A psycopg connection that begins and ends transactions with one call of libpq each.

psycopg runs each statement as a generator that hands control to Python several times: while other
threads want to run, each time may cost a change of thread. libpq's own calls wait outside Python.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import pq
from typing_extensions import override

from tuner.storage.postgres.cursor import PostgresCursor
from tuner.storage.postgres.statements import PreparedStatements, check

_IDLE = pq.TransactionStatus.IDLE


class PostgresConnection(psycopg.Connection[Any]):
    """A connection in autocommit mode, whose transactions begin with `begin`.

    Used by one thread at a time, as SQLAlchemy's pool guarantees.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._statements = PreparedStatements(self)

    def begin(self, text: bytes) -> float:
        """Begin a transaction.

        Args:
            text: statements; the last one selects a number.

        Returns:
            The number.
        """
        value = self._run(text).get_value(0, 0)
        return float(value or 0.0)

    @override
    def commit(self) -> None:
        """Commit the present transaction, if there is one."""
        self._end(b"COMMIT")

    @override
    def rollback(self) -> None:
        """Roll back the present transaction, if there is one."""
        self._end(b"ROLLBACK")

    @override
    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """Return a cursor; with arguments, one of psycopg's own."""
        if args or kwargs:
            return super().cursor(*args, **kwargs)
        return PostgresCursor(self._statements, super().cursor)

    def _end(self, text: bytes) -> None:
        if self.pgconn.transaction_status != _IDLE:
            self._run(text)

    def _run(self, text: bytes) -> pq.abc.PGresult:
        return check(self.pgconn.exec_(text))
