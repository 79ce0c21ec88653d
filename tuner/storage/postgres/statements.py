"""Statements that PostgreSQL has prepared, each on one connection."""

from __future__ import annotations

import itertools
import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg
from psycopg import errors, pq
from psycopg.adapt import PyFormat, Transformer

#: Number of times that a statement is executed by psycopg before it is prepared.
RARE = 5
#: Maximum number of distinct statements counted; the service's own are a few hundred.
MOST_KNOWN = 2000
#: Maximum number of statements prepared on a connection.
MOST_PREPARED = 300

_FAILED = pq.ExecStatus.FATAL_ERROR
_PARAMETER = re.compile(r"%\((\w+)\)s|%%")
#: What SQLAlchemy makes of an insert without RETURNING: up to the values, they, and what follows.
_INSERT = re.compile(r"(INSERT INTO [^()]+\([^()]+\) VALUES )(\(.+\))( ON CONFLICT DO NOTHING)?")

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """An SQL text as PostgreSQL wants it, and its parameters' names, by their numbers."""

    text: bytes
    names: tuple[str, ...]
    formats: tuple[PyFormat, ...]


@dataclass(slots=True)
class Prepared:
    """A statement that a connection has prepared.

    Attributes:
        name: in the connection.
        description: its columns, as DB-API describes them; None: it has none, or has not run yet.
    """

    name: bytes
    description: list[Row] | None = None


_times: Counter[str] = Counter()
_statements: dict[str, Statement] = {}
_of_rows: dict[tuple[str, int], Statement | None] = {}


class PreparedStatements:
    """What one connection has prepared; used by one thread at a time.

    Attributes:
        pgconn: libpq's connection.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.pgconn = connection.pgconn
        #: By text and types of their parameters.
        self._known: dict[tuple[str, tuple[int, ...]], Prepared] = {}
        self._made = 0

    @cached_property
    def transformer(self) -> psycopg.abc.Transformer:
        """Converts values to and from PostgreSQL's; remembers how for each type."""
        return Transformer(self._connection)

    def prepare(self, query: str, statement: Statement, types: Sequence[int]) -> Prepared:
        """Return a statement for parameters of some types, prepared now if it was not before."""
        key = (query, tuple(types))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MOST_PREPARED:
                oldest = self._known.pop(next(iter(self._known)))
                check(self.pgconn.exec_(b"DEALLOCATE " + oldest.name))
            self._made += 1
            known = Prepared(b"tuner_%d" % self._made)
            check(self.pgconn.prepare(known.name, statement.text, types))
            self._known[key] = known
        return known

    def forget(self) -> None:
        """Prepare everything again: the database has forgotten it."""
        self._known.clear()


def often(query: Any) -> Statement | None:
    """Return a statement that this thread may execute here; None: leave it to psycopg."""
    if threading.current_thread() is threading.main_thread():
        return None
    statement = _statements.get(query)
    if statement is not None or not isinstance(query, str) or ";" in query:
        return statement
    if len(_times) >= MOST_KNOWN and query not in _times:
        return None
    _times[query] += 1
    if _times[query] > RARE:
        statement = _statements[query] = _parse(query)
    return statement


def insert_of(query: str, rows: int) -> Statement | None:
    """Return an insert of several rows at once; None: the statement is not an insert.

    Its parameters are those of the first row, then those of the second, and so on.
    """
    key = (query, rows)
    if key not in _of_rows:
        found = _INSERT.fullmatch(query)
        if found is None or "%%" in query:
            _of_rows[key] = None
        else:
            _of_rows[key] = _repeat(found[1], found[2], found[3] or "", rows)
    return _of_rows[key]


def _repeat(begin: str, values: str, end: str, rows: int) -> Statement:
    names = _PARAMETER.findall(values)
    numbers = itertools.count(1)
    group = _PARAMETER.sub("%s", values)
    text = ", ".join(group % tuple(f"${next(numbers)}" for _ in names) for _ in range(rows))
    count = len(names) * rows
    return Statement(f"{begin}{text}{end}".encode(), tuple(names), (PyFormat.AUTO,) * count)


def _parse(query: str) -> Statement:
    """Replace the parameters `%(name)s` of an SQL text by numbers: `$1`."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found[1]
        return "%" if name is None else f"${numbers.setdefault(name, len(numbers) + 1)}"

    text = _PARAMETER.sub(number, query).encode()
    return Statement(text, tuple(numbers), (PyFormat.AUTO,) * len(numbers))


def check(result: pq.abc.PGresult) -> pq.abc.PGresult:
    """Return a result.

    Raises:
        psycopg.Error: the statement has failed.
    """
    if result.status == _FAILED:
        if not result.error_field(pq.DiagnosticField.SQLSTATE):
            # libpq's own message: the connection is lost.
            raise psycopg.OperationalError(result.get_error_message())
        raise errors.error_from_result(result)
    return result
