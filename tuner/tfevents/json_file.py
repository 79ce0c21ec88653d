"""JSON files that are written completely or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from tuner.roots import Folder, Place, UnfitError, opened

#: Maximum size in bytes: more than this program writes into a JSON file, even with a long curve.
MOST_BYTES = 64 << 20


def write_json(where: Place | Folder, name: str, data: object) -> None:
    """Write `data` to a file atomically: a reader, or a crash, sees the old file or the new one.

    Non-finite numbers become null, because strict JSON has none; numpy scalars become numbers,
    tuples and sets become lists, and anything else that JSON does not support becomes text.

    Args:
        where: the file's folder; created if missing.
        data: its content.

    Raises:
        OSError: the file system is full or not writable, or (`UnfitError`) the name belongs to a
            folder, or the folder's path to something else; the old file is unchanged.
    """
    content = dump_json(data)
    with opened(where, make=True) as folder:
        folder.replace(name, content)


def dump_json(data: object) -> bytes:
    """Return `data` as written by `write_json`: indented, in UTF-8, with a newline at the end."""
    try:
        text = json.dumps(data, allow_nan=False, ensure_ascii=False, indent=1)
    except (TypeError, ValueError):
        text = json.dumps(_plain(data), allow_nan=False, ensure_ascii=False, indent=1)
    return text.encode("utf-8", "replace") + b"\n"


def read_json(where: Place | Folder, name: str, *, most: int = MOST_BYTES) -> object:
    """Return the content of a JSON file, or None if it is missing or damaged.

    What is not a file, larger than `most` or nested too deeply also counts as damaged.

    Args:
        where: the file's folder.
        most: maximum size in bytes.

    Raises:
        OSError: the file exists but cannot be read.
    """
    try:
        with opened(where) as folder:
            content: object = json.loads(folder.read(name, most))
    except (FileNotFoundError, UnfitError, ValueError, RecursionError):
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
    # Handles numpy's scalars and arrays without importing numpy.
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return str(value)
