"""Arrays and JSON as bytes and back: npz without pickle, deterministic bytes for equal content."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]

#: The entry that holds the JSON text, as bytes.
_META = "meta"


def pack(arrays: Arrays, meta: Mapping[str, Any]) -> bytes:
    """Return arrays and a JSON object as bytes."""
    text = json.dumps(meta, sort_keys=True).encode()
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        **{_META: np.frombuffer(text, dtype=np.uint8)},
        **{name: arrays[name] for name in sorted(arrays)},
    )
    return buffer.getvalue()


def unpack(content: bytes) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return the arguments of `pack`.

    Raises:
        ValueError: the bytes are damaged, or were not made by `pack`.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(arrays.pop(_META).tobytes())
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as exc:
        raise ValueError(f"not a packed model: {exc}") from exc
    if not isinstance(meta, dict):
        raise ValueError("not a packed model: its description is not an object")
    return arrays, meta


def digest(arrays: Arrays, meta: Mapping[str, Any]) -> str:
    """Return the SHA-256 of arrays and a JSON object, independent of how they are packed."""
    sha = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()
