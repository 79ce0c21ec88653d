"""A cursor that executes prepared statements with one call of libpq each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from psycopg import pq

from tuner.storage.postgres.statements import (
    PreparedStatements,
    Row,
    Statement,
    check,
    insert_of,
    often,
)

#: Maximum number of sets of parameters that are executed one by one. psycopg sends more of them at
#: a time, which takes longer to begin.
FEW = 8

_ROWS = pq.ExecStatus.TUPLES_OK


class PostgresCursor:
    """A DB-API cursor that reads all rows of a result at once.

    Statements that are rare, large results that SQLAlchemy reads in parts, and those of the main
    thread (where Ctrl-C must end a wait) are left to psycopg.
    """

    __slots__ = ("_make", "_other", "_position", "_prepared", "_rows", "description", "rowcount")

    arraysize = 1

    def __init__(self, prepared: PreparedStatements, make: Callable[[], Any]) -> None:
        self._prepared = prepared
        self._make = make
        #: psycopg's cursor, if the present statement is executed by it.
        self._other: Any = None
        self._rows: Sequence[Row] = ()
        self._position = 0
        self.description: Sequence[Any] | None = None
        self.rowcount = -1

    def execute(self, query: Any, params: Any = None, **options: Any) -> PostgresCursor:
        """Execute a statement with parameters by name, or whatever psycopg understands."""
        statement = None if params is None or options else often(query)
        if statement is None:
            self._leave(query, lambda cursor: cursor.execute(query, params, **options))
        else:
            self._execute(query, statement, params)
        return self

    def executemany(self, query: Any, params: Sequence[Any], **options: Any) -> None:
        """Execute a statement once for each set of parameters."""
        statement = None if len(params) > FEW or options else often(query)
        if statement is None:
            self._leave(query, lambda cursor: cursor.executemany(query, params, **options))
            return
        insert = insert_of(query, len(params)) if len(params) > 1 else None
        if insert is not None:
            names = insert.names
            self._run(
                f"{len(params)} rows: {query}", insert, [one[n] for one in params for n in names]
            )
            return
        count = 0
        for one in params:
            self._execute(query, statement, one)
            count += self.rowcount
        self.rowcount = count

    def fetchone(self) -> Row | None:
        """Return the next row; None: there is none left."""
        if self._other is not None:
            row: Row | None = self._other.fetchone()
            return row
        if self._position >= len(self._rows):
            return None
        self._position += 1
        return self._rows[self._position - 1]

    def fetchmany(self, size: int = 0) -> Sequence[Row]:
        """Return the next rows."""
        if self._other is not None:
            rows: Sequence[Row] = self._other.fetchmany(size)
            return rows
        start = self._position
        self._position = min(start + (size or self.arraysize), len(self._rows))
        return self._rows[start : self._position]

    def fetchall(self) -> Sequence[Row]:
        """Return the rows that are left."""
        if self._other is not None:
            rows: Sequence[Row] = self._other.fetchall()
            return rows
        start, self._position = self._position, len(self._rows)
        return self._rows[start:] if start else self._rows

    def __iter__(self) -> Iterator[Row]:
        """Iterate over the rows that are left."""
        return iter(self.fetchall())

    def close(self) -> None:
        """Forget the result."""
        self._rows = ()
        if self._other is not None:
            self._other.close()

    def __getattr__(self, name: str) -> Any:
        """Return what only psycopg's cursor has."""
        if self._other is None:
            self._other = self._make()
        return getattr(self._other, name)

    def _leave(self, query: Any, execute: Callable[[Any], Any]) -> None:
        """Have psycopg execute a statement."""
        if self._other is None:
            self._other = self._make()
        execute(self._other)
        self.description, self.rowcount = self._other.description, self._other.rowcount
        if str(query).lstrip()[:4].upper() == "DROP":
            # psycopg then has the database forget all prepared statements.
            self._prepared.forget()

    def _execute(self, query: str, statement: Statement, params: Mapping[str, Any]) -> None:
        self._run(query, statement, [params[name] for name in statement.names])

    def _run(self, key: str, statement: Statement, values: Sequence[Any]) -> None:
        """Execute a statement.

        Args:
            key: under which it is remembered.
            values: of its parameters, by their numbers.
        """
        self._other = None
        transformer, pgconn = self._prepared.transformer, self._prepared.pgconn
        sent: Any = transformer.dump_sequence(values, statement.formats)
        prepared = self._prepared.prepare(key, statement, transformer.types or ())
        result = check(pgconn.exec_prepared(prepared.name, sent, param_formats=transformer.formats))
        if result.status == _ROWS:
            if prepared.description is None:
                prepared.description = _describe(result)
            self.rowcount = count = result.ntuples
            transformer.set_pgresult(result)
            self._rows = transformer.load_rows(0, count, tuple)
            self.description = prepared.description
        else:
            self.rowcount = -1 if result.command_tuples is None else result.command_tuples
            self._rows, self.description = (), None
        self._position = 0


def _describe(result: pq.abc.PGresult) -> list[Row]:
    return [
        ((result.fname(i) or b"").decode(), result.ftype(i), None, None, None, None, None)
        for i in range(result.nfields)
    ]
