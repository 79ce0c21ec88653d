"""Reads a backup: nothing in it is trusted before its trailer has been checked."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn, TypeVar

import pydantic

from tuner.errors import SpecError
from tuner.storage.backups.format import FORMAT, VERSION, Header, TableHead, Trailer, decode

#: Maximum length of a line in bytes: the largest ever written holds a code snapshot of 16 MB.
MAX_LINE = 256 * 1024 * 1024

_P = TypeVar("_P", Header, Trailer)


class BackupFile:
    """A backup that is read once, from beginning to end. Mutable: it has a position.

    Args:
        file: source.
        name: of the file, for error messages.

    Raises:
        SpecError: it is not a backup, or one that this release cannot read.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._gzip = gzip.GzipFile(fileobj=file, mode="rb")
        self._name = name
        self._hash = hashlib.sha256()
        self._line = 0
        self.header = self._read_header()

    def rows(self) -> Iterator[tuple[TableHead, list[Any]]]:
        """Return the rows in file order, each with its table, as database values.

        Raises:
            SpecError: the backup is truncated or damaged; the rows returned so far must not be
                used.
        """
        for table in self.header.tables:
            kinds = [column.kind for column in table.columns]
            for number in range(table.rows):
                what = f"row {number + 1} of {table.rows} of the table {table.name}"
                row = self._next(what)
                if not isinstance(row, list) or len(row) != len(kinds):
                    self.refuse(f"line {self._line}: must be {what}, {len(kinds)} values")
                try:
                    yield (
                        table,
                        [decode(kind, value) for kind, value in zip(kinds, row, strict=True)],
                    )
                except ValueError as exc:
                    self.refuse(f"line {self._line}: table {table.name}: {exc}")
        self._check_end()

    def refuse(self, reason: str) -> NoReturn:
        """Raise an error that says what is wrong with the file."""
        raise SpecError(f"{self._name}: {reason}; the database was not changed")

    def _read_header(self) -> Header:
        data = self._next("the header")
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            self.refuse("is not a backup made by `tuner db backup`")
        if data.get("version") != VERSION:
            self.refuse(
                f"has format {data.get('version')!r} of Tuner {data.get('release')}, this Tuner "
                f"reads {VERSION}; restore it with that release"
            )
        return self._parse(Header, data)

    def _check_end(self) -> None:
        digest = self._hash.hexdigest()
        trailer = self._parse(Trailer, self._next("the trailer"))
        if trailer.rows != self.header.rows:
            self.refuse(f"the trailer counts {trailer.rows} rows, the header {self.header.rows}")
        if trailer.sha256 != digest:
            self.refuse("the content does not have the SHA-256 of the trailer: it was changed")
        if self._read_line("the end"):
            self.refuse(f"line {self._line}: there is more after the trailer")

    def _parse(self, kind: type[_P], data: Any) -> _P:
        try:
            return kind.model_validate(data)
        except pydantic.ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(map(str, first["loc"])) or kind.__name__.lower()
            self.refuse(f"line {self._line}: {where}: {first['msg']}")

    def _next(self, what: str) -> Any:
        """Return the next line's value."""
        line = self._read_line(what)
        if not line:
            self.refuse(f"ends before {what}: it was cut off")
        self._hash.update(line)
        try:
            return json.loads(line, parse_constant=_no_constant)
        except ValueError:
            if self._line == 1:
                self.refuse("is not a backup made by `tuner db backup`")
            self.refuse(f"line {self._line}: is not JSON: it was changed")

    def _read_line(self, what: str) -> bytes:
        self._line += 1
        try:
            line = self._gzip.readline(MAX_LINE)
        except EOFError:
            self.refuse(f"ends before {what}: it was cut off")
        except (gzip.BadGzipFile, zlib.error) as exc:
            if self._line == 1:
                self.refuse(f"is not a backup made by `tuner db backup` ({exc})")
            self.refuse(f"is damaged near line {self._line}: {exc}")
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            self.refuse(f"line {self._line}: is longer than {MAX_LINE} bytes")
        return line


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
