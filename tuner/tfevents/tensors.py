"""Numbers written as tensors."""

from __future__ import annotations

import struct

from tuner.tfevents import wire

#: Tensor types that hold a scalar, with the struct code of their content.
_TENSOR_CODES = {1: "f", 2: "d", 3: "i", 9: "q"}
#: How nearly all writers encode a float of shape []: in `float_val`, or in `tensor_content`.
_PLAIN_FLOATS = (b"\x08\x01\x12\x00\x2a\x04", b"\x08\x01\x12\x00\x22\x04")
#: Numbers of the fields that are read.
_FIELDS = frozenset({1, 4, 5, 6, 7, 10})


def read_tensor(data: bytes) -> float | None:
    """Return the number in a tensor with one element of a known type, otherwise None.

    Raises:
        WireError: the bytes are not a message.
    """
    if len(data) == 10 and data[:6] in _PLAIN_FLOATS:
        return float(struct.unpack("<f", data[6:])[0])
    fields = wire.read_known(data, _FIELDS)
    code = _TENSOR_CODES.get(wire.as_int(fields.get(1, 0)))
    if code is None:
        return None
    content = fields.get(4) or fields.get({"f": 5, "d": 6}.get(code, 0))
    if content is not None:
        data = wire.as_bytes(content)
        return (
            float(struct.unpack("<" + code, data)[0])
            if len(data) == struct.calcsize(code)
            else None
        )
    return _read_integer(fields.get(7 if code == "i" else 10))


def _read_integer(value: wire.Raw | None) -> float | None:
    """Return the number in an `int_val` or `int64_val` field, packed or not."""
    if value is None:
        return None
    if isinstance(value, int):
        return float(wire.as_int(value))
    number, end = wire.read_varint(value, 0)
    return float(wire.as_int(number)) if end == len(value) else None
