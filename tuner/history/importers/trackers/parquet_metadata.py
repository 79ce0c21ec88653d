"""The metadata of a Parquet file, in Thrift's compact protocol: columns and their positions.

Only what is needed for flat columns is kept, by the field numbers of `parquet.thrift` (Apache
Parquet format 2). Everything is bounded: the footer, the depth, the number of entries.
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from typing import Any

MAGIC = b"PAR1"
#: Maximum size of the footer; that of a file with millions of rows takes some hundred kilobytes.
MAX_FOOTER = 64 << 20
_MAX_DEPTH = 20
_MAX_ENTRIES = 5_000_000
_MAX_LIST = 1_000_000

_TRUE, _FALSE, _BYTE, _INT16, _INT32, _INT64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(
    1, 13
)


class ParquetError(ValueError):
    """The file is not a readable Parquet file; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """The pages of one column in one group of rows."""

    #: Parquet's number of the type, and of the codec.
    type: int
    codec: int
    #: Size in bytes of a value of fixed length.
    length: int
    values: int
    start: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of rows, by the columns that are not nested."""

    rows: int
    columns: dict[str, Chunk]


def read_groups(file: io.BufferedReader) -> list[Group]:
    """Return the row groups of a file.

    Raises:
        ParquetError: it is not a Parquet file, or is damaged.
    """
    size = file.seek(0, os.SEEK_END)
    if size < 12:
        raise ParquetError("is not a Parquet file")
    file.seek(size - 8)
    length, magic = struct.unpack("<I4s", file.read(8))
    if magic != MAGIC or not 0 < length <= min(MAX_FOOTER, size - 12):
        raise ParquetError("is not a Parquet file, or was not written to its end")
    file.seek(size - 8 - length)
    footer = Thrift(file.read(length)).struct()
    try:
        return _groups(footer)
    except (KeyError, TypeError, AttributeError, IndexError) as exc:
        raise ParquetError("is damaged: its footer makes no sense") from exc


def _groups(footer: dict[int, Any]) -> list[Group]:
    schema = footer[2]
    # The root, then its children one after the other; those of a group follow it.
    lengths: dict[str, int] = {}
    optional: set[str] = set()
    index = 1
    while index < len(schema):
        element = schema[index]
        children = element.get(5, 0)
        if not children:
            name = element[4].decode("utf-8", "replace")
            lengths[name] = element.get(2, 0)
            optional |= {name} if element.get(3) == 1 else set()
        index = _behind(schema, index)
    groups = []
    for group in footer[4]:
        columns = {}
        for column in group[1]:
            meta = column[3]
            path = [part.decode("utf-8", "replace") for part in meta[3]]
            if len(path) == 1 and path[0] in optional:
                start = min(meta[9], meta.get(11) or meta[9])
                columns[path[0]] = Chunk(
                    type=meta[1],
                    codec=meta[4],
                    length=lengths[path[0]],
                    values=meta[5],
                    start=start,
                    size=meta[7],
                )
        groups.append(Group(rows=group[3], columns=columns))
    return groups


def _behind(schema: list[dict[int, Any]], index: int) -> int:
    """Return the index after an element and everything below it."""
    left = 1
    while left and index < len(schema):
        left += schema[index].get(5, 0) - 1
        index += 1
    return index


class Thrift:
    """Reads a message in the compact protocol as fields by number. Mutable: it advances.

    Args:
        data: the message, and what follows it.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0
        self._entries = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the next struct; a list is a list, a nested struct a dictionary.

        Raises:
            ParquetError: it is damaged.
        """
        if depth > _MAX_DEPTH:
            raise ParquetError("is damaged: nested too deep")
        fields: dict[int, Any] = {}
        number = 0
        while True:
            head = self._byte()
            kind = head & 0x0F
            if kind == 0:
                return fields
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            fields[number] = self._value(kind, depth)

    def _value(self, kind: int, depth: int) -> Any:
        self._entries += 1
        if self._entries > _MAX_ENTRIES:
            raise ParquetError("is damaged: too many entries")
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in (_LIST, _SET):
            return self._list(depth)
        if kind == _STRUCT:
            return self.struct(depth + 1)
        return self._scalar(kind)

    def _scalar(self, kind: int) -> int | float | bytes:
        if kind == _BYTE:
            return self._byte()
        if kind in (_INT16, _INT32, _INT64):
            return self._zigzag()
        if kind == _DOUBLE:
            return float(struct.unpack("<d", self._bytes(8))[0])
        if kind == _BINARY:
            return self._bytes(self._varint())
        raise ParquetError("is damaged: a field of no known type")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count = head >> 4
        if count == 15:
            count = self._varint()
        if count > _MAX_LIST:
            raise ParquetError("is damaged: too many entries")
        kind = head & 0x0F
        if kind in (_TRUE, _FALSE):  # in a list each is a byte of its own
            return [self._byte() == _TRUE for _ in range(count)]
        return [self._value(kind, depth + 1) for _ in range(count)]

    def _byte(self) -> int:
        if self.at >= len(self._data):
            raise ParquetError("is damaged: it ends in the middle")
        self.at += 1
        return self._data[self.at - 1]

    def _bytes(self, length: int) -> bytes:
        found = self._data[self.at : self.at + length]
        if len(found) < length:
            raise ParquetError("is damaged: it ends in the middle")
        self.at += length
        return found

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
        raise ParquetError("is damaged: a number without end")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
