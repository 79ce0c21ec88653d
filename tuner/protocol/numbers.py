"""Numbers in messages: JSON has no NaN and no infinity."""

from __future__ import annotations

import math
from typing import Literal

from tuner.protocol.form import ProtocolError

#: A number as sent in a message.
WireNumber = float | Literal["nan", "inf", "-inf"]


def encode_number(value: float) -> WireNumber:
    """Return `value` as sent in a message: itself if finite, otherwise "nan", "inf" or "-inf"."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "nan"
    return "inf" if value > 0 else "-inf"


def decode_number(value: float | str) -> float:
    """Invert `encode_number`.

    Raises:
        ProtocolError: a string other than the three.
    """
    if isinstance(value, str):
        if value not in ("nan", "inf", "-inf"):
            raise ProtocolError(f"a number is a JSON number, 'nan', 'inf' or '-inf', not {value!r}")
        return float(value)
    return float(value)
