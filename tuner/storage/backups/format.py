"""The format of a backup: gzipped lines of JSON, the same for every kind of database.

The first line is the header, with the tables and their numbers of rows. Then come the rows, table
by table in the header's order, each as an array in the column order of its table. The last line is
the trailer with the number of rows and the SHA-256 of all bytes before it.

    kind    in SQL               in JSON
    int     INTEGER, BIGINT      number
    float   FLOAT, DOUBLE        number, or "nan", "inf", "-inf"
    bool    BOOLEAN              true, false
    text    TEXT, VARCHAR, ENUM  string
    time    TIMESTAMP            string, ISO 8601, UTC
    bytes   BLOB, BYTEA          string, base64
"""

from __future__ import annotations

import base64
import binascii
import datetime
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from tuner.protocol import decode_number, encode_number

FORMAT: Literal["tuner-backup"] = "tuner-backup"
VERSION: Literal[1] = 1

ColumnKind = Literal["int", "float", "bool", "text", "time", "bytes"]

#: The order matters: `bool` is a subclass of `int`.
_KINDS: tuple[tuple[type[Any], ColumnKind], ...] = (
    (sa.Boolean, "bool"),
    (sa.Integer, "int"),
    (sa.Float, "float"),
    (sa.Numeric, "float"),
    (sa.DateTime, "time"),
    (sa.LargeBinary, "bytes"),
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class BackupColumn(_Part):
    """One column of a table."""

    name: str
    kind: ColumnKind


class TableHead(_Part):
    """One table: its columns in the order of a row's values, and its number of rows."""

    name: str
    columns: list[BackupColumn]
    rows: int = Field(ge=0)


class Header(_Part):
    """The first line of a backup."""

    format: Literal["tuner-backup"] = FORMAT
    version: Literal[1] = VERSION
    #: Releases of Tuner and of Optuna that made it.
    release: str
    optuna_release: str
    #: Schema revisions of our tables and of Optuna's.
    revision: str
    optuna_revision: str
    database: Literal["sqlite", "postgresql"]
    #: ISO 8601, UTC; and the same moment by the database's clock, in seconds since the epoch.
    made: str
    clock: float
    tables: list[TableHead]
    #: The number that the next row of a table would have got: numbers are never reused.
    next_ids: dict[str, int] = Field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Number of rows in the backup."""
        return sum(table.rows for table in self.tables)

    def rows_of(self, name: str) -> int:
        """Number of rows of a table, 0 if there is no such table."""
        return sum(table.rows for table in self.tables if table.name == name)


class Trailer(_Part):
    """The last line of a backup."""

    end: Literal[True] = True
    rows: int
    sha256: str


def kind_of(column: sa.Column[Any]) -> ColumnKind:
    """Return the kind of values in a column of a reflected table."""
    for known, kind in _KINDS:
        if isinstance(column.type, known):
            return kind
    return "text"


def encode(kind: ColumnKind, value: Any) -> Any:
    """Return a value of the database as a JSON value."""
    return None if value is None else _ENCODE[kind](value)


def decode(kind: ColumnKind, value: Any) -> Any:
    """Invert `encode`.

    Raises:
        ValueError: the value is not of this kind.
    """
    return None if value is None else _DECODE[kind](value)


def _encode_float(value: float) -> float | str:
    # SQLite returns whole numbers as integers if a column was created without a type.
    return encode_number(float(value))


def _decode_int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    raise _wrong("a whole number", value)


def _decode_float(value: Any) -> float:
    if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        number = decode_number(value)
        if isinstance(value, str) or math.isfinite(number):
            return number
    raise _wrong("a number", value)


def _decode_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _wrong("true or false", value)


def _decode_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise _wrong("a text", value)


def _decode_time(value: Any) -> datetime.datetime:
    return datetime.datetime.fromisoformat(_decode_text(value))


def _decode_bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(_decode_text(value), validate=True)
    except binascii.Error as exc:
        raise _wrong("base64", value) from exc


def _wrong(wanted: str, value: Any) -> ValueError:
    return ValueError(f"{str(value)[:40]!r} is not {wanted}")


_ENCODE: Mapping[ColumnKind, Callable[[Any], Any]] = {
    "int": int,
    "float": _encode_float,
    "bool": bool,
    "text": str,
    "time": datetime.datetime.isoformat,
    "bytes": lambda value: base64.b64encode(value).decode(),
}
_DECODE: Mapping[ColumnKind, Callable[[Any], Any]] = {
    "int": _decode_int,
    "float": _decode_float,
    "bool": _decode_bool,
    "text": _decode_text,
    "time": _decode_time,
    "bytes": _decode_bytes,
}
