"""Reads pieces of a trial's output, whose beginning may have been dropped.

A worker moves a large `output.log` to `output.log.1`, replacing the previous one, and counts in
`output.log.gone` the bytes that this drops. Offsets refer to the entire output.
"""

from __future__ import annotations

import base64
import os

from tuner.documents.trial import LogPiece
from tuner.errors import NotFoundError
from tuner.roots import Folder, Place, UnfitError

NAME = "output.log"
#: For a trial that has printed nothing.
EMPTY: LogPiece = {"text": "", "base64": None, "next_offset": 0, "size": 0, "gone": 0}
#: Maximum number of bytes read at once.
LOG_BYTES = 1 << 20
#: Far larger than what workers let a log grow to: such a file was made by hand.
MOST_BYTES = 1 << 30
#: Maximum size of `output.log.gone`, which holds one number.
_MOST_GONE_BYTES = 64


def read_log(place: Place, offset: int, limit: int, *, raw: bool = False) -> LogPiece:
    """Return the output from an offset on; a negative one counts from the end.

    Args:
        offset: in bytes of the entire output.
        limit: maximum number of bytes, up to `LOG_BYTES`.
        raw: return the bytes in `base64` in place of the text, since they may not be UTF-8.

    Raises:
        NotFoundError: the log exists but cannot be read, or something else is in its place.
    """
    limit = min(max(limit, 0), LOG_BYTES)
    try:
        with place.open() as folder:
            gone = _read_gone(folder)
            parts = [f"{NAME}.1", NAME]
            sizes = [_size(folder, part) for part in parts]
            size = gone + sum(sizes)
            start = offset if offset >= 0 else size + offset
            # Bytes dropped by a worker of an earlier release are not counted: its log becomes
            # shorter.
            start = 0 if start > size else start
            start = max(start, gone)
            data = b""
            begin = gone
            for part, length in zip(parts, sizes, strict=True):
                skipped = start + len(data) - begin
                if 0 <= skipped < length and len(data) < limit:
                    with folder.open_file(part, most=MOST_BYTES) as file:
                        file.seek(skipped)
                        data += file.read(min(limit - len(data), length - skipped))
                begin += length
    except FileNotFoundError:
        return EMPTY.copy()
    except OSError as exc:
        raise NotFoundError(_why(exc, place)) from exc
    return {
        "text": "" if raw else data.decode(errors="replace"),
        "base64": base64.b64encode(data).decode() if raw else None,
        "next_offset": start + len(data),
        "size": size,
        "gone": gone,
    }


def _size(folder: Folder, name: str) -> int:
    try:
        # Opened, so that a file that is not ours is refused rather than counted.
        with folder.open_file(name, most=MOST_BYTES) as file:
            return os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return 0


def _read_gone(folder: Folder) -> int:
    try:
        return max(0, int(folder.read(f"{NAME}.gone", _MOST_GONE_BYTES)))
    except (FileNotFoundError, UnfitError, ValueError):
        return 0


def _why(error: OSError, place: Place) -> str:
    """Return why a log cannot be read, with paths relative to the log root only."""
    path = str(error.filename or "").removeprefix(f"{place.root}/")
    where = f"{path} " if isinstance(error, UnfitError) and path else ""
    return f"the log cannot be read: {where}{error.strerror or error}"
