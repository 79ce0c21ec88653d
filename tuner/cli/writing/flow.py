"""Values as YAML in one line, as a person writes them in a spec."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tuner.spec.reading.yaml12 import plain_value

#: Words that need no quotes, unless they would be read as something else.
_PLAIN = re.compile(r"[A-Za-z0-9_./][\w./-]*")


def flow(value: Any) -> str:
    """Return a value in YAML's flow style, as `{type: float, low: 1e-5, high: 0.1, log: true}`.

    Reading it gives the same value again.
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_word(str(k))}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float):
        # 1e-05 as people write it.
        return re.sub(r"e([-+])0*(\d)", lambda m: f"e{m[1].strip('+')}{m[2]}", repr(value))
    return _word(value) if isinstance(value, str) else str(value)


def _word(text: str) -> str:
    if _PLAIN.fullmatch(text) and plain_value(text) == text:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
