"""JSON files that are there completely or not at all."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path


def write_json(path: Path, data: object) -> None:
    """Write `data` to `path` atomically: a reader, or a crash, sees the old file or the new one.

    Non-finite numbers become null, because strict JSON has none; numpy scalars become numbers,
    tuples and sets lists, and what JSON does not know becomes text. Missing folders are made.

    Raises:
        OSError: the file system is full or not writable; the old file is as it was.
    """
    content = dump_json(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Hosts share the folder and containers process numbers, so only chance tells names apart.
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def dump_json(data: object) -> bytes:
    """Return `data` as `write_json` writes it: indented, in UTF-8, with a newline at the end."""
    try:
        text = json.dumps(data, allow_nan=False, ensure_ascii=False, indent=1)
    except (TypeError, ValueError):
        text = json.dumps(_plain(data), allow_nan=False, ensure_ascii=False, indent=1)
    return text.encode("utf-8", "replace") + b"\n"


def read_json(path: Path) -> object:
    """Return the content of a JSON file, or None when it is missing or damaged.

    Raises:
        OSError: the file is there and cannot be read.
    """
    try:
        content: object = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return content


def _plain(value: object) -> object:
    """Return `value` as strict JSON values."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    # numpy's scalars and arrays, without importing numpy.
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return str(value)
