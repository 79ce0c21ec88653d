"""TFRecord framing: length, CRC of the length, payload, CRC of the payload."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache

#: Maximum size of a record that is read: larger ones are other writers' graphs and images.
MAX_RECORD_BYTES = 1 << 22

_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected
_HEADER = struct.Struct("<QI")
_CRC = struct.Struct("<I")
#: Bytes of a record besides its payload.
FRAME_BYTES = _HEADER.size + _CRC.size


def _make_table() -> tuple[int, ...]:
    table = []
    for entry in range(256):
        for _ in range(8):
            entry = entry >> 1 ^ (_POLYNOMIAL if entry & 1 else 0)
        table.append(entry)
    return tuple(table)


_TABLE = _make_table()


def masked_crc(data: bytes) -> int:
    """Return the CRC-32C of `data`, masked as TFRecord does.

    It takes about 50 ns per byte: this package's records have a few hundred bytes.
    """
    table, crc = _TABLE, 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frame(payload: bytes) -> bytes:
    """Return the record with the payload `payload`."""
    length = struct.pack("<Q", len(payload))
    return b"".join(
        (length, _CRC.pack(masked_crc(length)), payload, _CRC.pack(masked_crc(payload)))
    )


def read_frames(
    file: io.BufferedIOBase,
    *,
    check_payload: bool,
    damaged: Callable[[int], None] = lambda _offset: None,
    most: int | None = None,
) -> Iterator[bytes]:
    """Yield the payloads of an event file, up to its end or its first bad record.

    A record is bad if it is incomplete or the CRC of its length is wrong. TensorBoard's fast loader
    checks no other CRC, its slow one does: with `check_payload`, only what both read is yielded.

    Args:
        file: positioned at its beginning.
        check_payload: see above.
        damaged: called with the byte offset of the bad record, if there is one.
        most: number of bytes after which reading stops.
    """
    size = os.fstat(file.fileno()).st_size
    at, end = 0, size if most is None else min(size, most)
    while at < end:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            damaged(at)
            return
        length, crc = _HEADER.unpack(header)
        after = at + _HEADER.size + length + _CRC.size
        # A length is compared with the file's size before that much is read into memory.
        if after > size or crc != _length_crc(header[:8]):
            damaged(at)
            return
        if length > MAX_RECORD_BYTES:
            file.seek(length + _CRC.size, os.SEEK_CUR)
            at = after
            continue
        payload = file.read(length)
        footer = file.read(_CRC.size)
        torn = len(payload) < length or len(footer) < _CRC.size
        if torn or (check_payload and _CRC.unpack(footer)[0] != masked_crc(payload)):
            damaged(at)
            return
        yield payload
        at = after


# A run's records have few distinct lengths, and the CRC of one costs as much as its scalar.
_length_crc = lru_cache(maxsize=4096)(masked_crc)
