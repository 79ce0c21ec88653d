"""The values of one column of a Parquet file: pages, their compression and their encodings.

What pyarrow writes by default is supported: pages of both versions, plain and dictionary encodings,
`format_description.txt`).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tuner.history.importers.trackers.parquet_metadata import Chunk, ParquetError, Thrift

#: Maximum size of the pages of one column in one row group, compressed and uncompressed.
MAX_BYTES = 64 << 20
_MAX_VALUES = 2_000_000
_BOOLEAN, _INT32, _INT64, _INT96, _FLOAT, _DOUBLE, _BYTES, _FIXED = range(8)
_PLAIN, _PLAIN_DICTIONARY, _RLE, _RLE_DICTIONARY = 0, 2, 3, 8
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_NUMBERS = {_INT32: "<i4", _INT64: "<i8", _FLOAT: "<f4", _DOUBLE: "<f8"}
_HEADER_BYTES = 64 * 1024
#: Errors raised by reading a page that is not valid.
_NO_SENSE = (LookupError, TypeError, ValueError, ArithmeticError, struct.error, zlib.error)


def read_column(file: io.BufferedReader, chunk: Chunk) -> list[Any]:
    """Return the values of a column in a row group, None for missing ones.

    Raises:
        ParquetError: it is damaged, too large, or written in a way that is not supported here.
    """
    is_read = 0 <= chunk.size <= MAX_BYTES and 0 <= chunk.values <= _MAX_VALUES
    if not is_read or chunk.start < 0:
        raise ParquetError("has a column that is too large")
    file.seek(chunk.start)
    data = file.read(chunk.size)
    try:
        values = _pages(data, chunk)
    except ParquetError:
        raise
    except _NO_SENSE as exc:
        raise ParquetError("is damaged: a page makes no sense") from exc
    if len(values) != chunk.values:
        raise ParquetError("is damaged: a column is shorter than it says")
    return values


def _pages(data: bytes, chunk: Chunk) -> list[Any]:
    """Return the values of all pages, the first of which may be a dictionary."""
    values: list[Any] = []
    dictionary: list[Any] = []
    at = 0
    while len(values) < chunk.values and at < len(data):
        header = Thrift(data[at : at + _HEADER_BYTES])
        page = header.struct()
        if page[3] < 0:
            raise ParquetError("is damaged: a page makes no sense")
        at += header.at + page[3]
        body = data[at - page[3] : at]
        if page[1] == _DICTIONARY:
            plain = _decompress(body, chunk.codec, page[2])
            dictionary = _plain(plain, chunk, page[7][1])
        elif page[1] == _DATA:
            values += _data(_decompress(body, chunk.codec, page[2]), page[5], chunk, dictionary)
        elif page[1] == _DATA_V2:
            values += _data_v2(body, page, chunk, dictionary)
    return values


def _data(body: bytes, head: dict[int, Any], chunk: Chunk, dictionary: Sequence[Any]) -> list[Any]:
    """Return the values of a page: definition levels after their length, then the values."""
    count = _count(head[1])
    (length,) = struct.unpack_from("<I", body)
    present = _hybrid(body[4 : 4 + length], 1, count)
    return _spread(body[4 + length :], head[2], present, chunk, dictionary)


def _data_v2(
    body: bytes, page: dict[int, Any], chunk: Chunk, dictionary: Sequence[Any]
) -> list[Any]:
    head = page[8]
    count = _count(head[1])
    length, repeated = head[5], head[6]
    present = _hybrid(body[repeated : repeated + length], 1, count)
    rest = body[repeated + length :]
    if head.get(7, True):
        rest = _decompress(rest, chunk.codec, page[2] - length - repeated)
    return _spread(rest, head[4], present, chunk, dictionary)


def _spread(
    body: bytes, encoding: int, present: Sequence[int], chunk: Chunk, dictionary: Sequence[Any]
) -> list[Any]:
    """Return the values of a page, with None for missing ones."""
    count = sum(present)
    if encoding in (_PLAIN_DICTIONARY, _RLE_DICTIONARY):
        indices = _hybrid(body[1:], body[0], count) if count else []
        found = [dictionary[index] for index in indices]
    elif encoding == _PLAIN:
        found = _plain(body, chunk, count)
    elif encoding == _RLE and chunk.type == _BOOLEAN:
        found = [bool(bit) for bit in _hybrid(body[4:], 1, count)]
    else:
        raise ParquetError(f"has an encoding that is not read here ({encoding})")
    following = iter(found)
    return [next(following) if is_there else None for is_there in present]


def _plain(body: bytes, chunk: Chunk, count: int) -> list[Any]:
    count = _count(count)
    if chunk.type in _NUMBERS:
        return list(np.frombuffer(body, _NUMBERS[chunk.type], count).tolist())
    if chunk.type == _BOOLEAN:
        bits = np.unpackbits(np.frombuffer(body, "u1"), bitorder="little")[:count]
        return [bool(bit) for bit in _enough(bits.tolist(), count)]
    if chunk.type == _FIXED:
        length = chunk.length
        if not 0 < length <= len(body):
            raise ParquetError("is damaged: a page makes no sense")
        parts = [body[at : at + length] for at in range(0, count * length, length)]
        return _enough([part for part in parts if len(part) == length], count)
    if chunk.type != _BYTES:
        raise ParquetError(f"has a type that is not read here ({chunk.type})")
    found: list[bytes] = []
    at = 0
    for _ in range(count):
        (length,) = struct.unpack_from("<I", body, at)
        at += 4 + length
        if at > len(body):
            raise ParquetError("is damaged: a page makes no sense")
        found.append(body[at - length : at])
    return found


def _hybrid(body: bytes, width: int, count: int) -> list[int]:
    """Return `count` numbers of `width` bits: runs of one value, and bit-packed groups of eight."""
    if not width:
        return [0] * count
    if not 0 < width <= 32:
        raise ParquetError("is damaged: a page makes no sense")
    found: list[int] = []
    at, size = 0, (width + 7) // 8
    while len(found) < count:
        head, at = _varint(body, at)
        if head & 1:
            length = (head >> 1) * width
            part = body[at : at + length]
            at += length
            bits = np.unpackbits(np.frombuffer(part, "u1"), bitorder="little")
            whole = bits[: len(bits) // width * width].reshape(-1, width)
            found += (whole @ (1 << np.arange(width, dtype=np.int64))).tolist()
            if not len(whole):
                break
        else:
            value = int.from_bytes(body[at : at + size], "little")
            at += size
            found += [value] * min(head >> 1, count - len(found))
            if not head >> 1:
                break
    return _enough(found[:count], count)


def _enough(found: list[Any], count: int) -> list[Any]:
    if len(found) < count:
        raise ParquetError("is damaged: a page is shorter than it says")
    return found


def _count(count: int) -> int:
    if not 0 <= count <= _MAX_VALUES:
        raise ParquetError("is damaged: a page makes no sense")
    return count


def _decompress(body: bytes, codec: int, size: int) -> bytes:
    if not 0 <= size <= MAX_BYTES:
        raise ParquetError("has a page that is too large")
    if codec == 0:
        return body
    if codec == 1:
        return unsnap(body, size)
    if codec == 2:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, size)
    raise ParquetError("is compressed in a way that is not read here; write it with Snappy")


def unsnap(body: bytes, most: int) -> bytes:
    """Return data decompressed by Snappy: literals, and copies of earlier output.

    Raises:
        ParquetError: it is damaged, or larger than `most` bytes.
    """
    size, at = _varint(body, 0)
    if size > most:
        raise ParquetError("is damaged: a page is larger than it says")
    found = bytearray()
    while at < len(body):
        tag = body[at]
        at += 1
        if tag & 3 == 0:
            length = (tag >> 2) + 1
            if length > 60:
                extra = length - 60
                length = int.from_bytes(body[at : at + extra], "little") + 1
                at += extra
            found += body[at : at + length]
            at += length
        else:
            length, offset, at = _copy(body, tag, at)
            _repeat(found, offset, length)
        if len(found) > size:
            raise ParquetError("is damaged: a page is larger than it says")
    if len(found) != size:
        raise ParquetError("is damaged: a page is shorter than it says")
    return bytes(found)


def _copy(body: bytes, tag: int, at: int) -> tuple[int, int, int]:
    """Return length and offset of a copy, and the position after it."""
    if tag & 3 == 1:
        return ((tag >> 2) & 7) + 4, ((tag >> 5) << 8) | body[at], at + 1
    width = 2 if tag & 3 == 2 else 4
    return (tag >> 2) + 1, int.from_bytes(body[at : at + width], "little"), at + width


def _repeat(found: bytearray, offset: int, length: int) -> None:
    if not 0 < offset <= len(found):
        raise ParquetError("is damaged: a copy of nothing")
    start = len(found) - offset
    piece = bytes(found[start : start + length])
    # A copy may overlap with its own output: then it repeats.
    while len(piece) < length:
        piece += piece[: length - len(piece)]
    found += piece


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 35, 7):
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise ParquetError("is damaged: a number without end")
