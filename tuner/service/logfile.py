"""Reading pieces of a trial's output, whose beginning may be gone.

A worker moves a grown `output.log` to `output.log.1`, which it replaces at the next time, and
counts in `output.log.gone` the bytes that this has cost. Offsets are those of all that was printed.
"""

from __future__ import annotations

import base64
import os

from tuner.documents.trial import LogPiece
from tuner.errors import NotFoundError
from tuner.roots import Folder, Place, UnfitError

NAME = "output.log"
#: Of a trial that has printed nothing.
EMPTY: LogPiece = {"text": "", "base64": None, "next_offset": 0, "size": 0, "gone": 0}
#: At most so much of a log at once.
LOG_BYTES = 1 << 20
#: Far beyond what a worker lets a log grow to before it cuts it: such a file was made by hand.
MOST_BYTES = 1 << 30
#: Of `output.log.gone`, which holds one number.
_MOST_GONE_BYTES = 64


def read_log(place: Place, offset: int, limit: int, *, raw: bool = False) -> LogPiece:
    """Return what was printed from an offset on; a negative one counts from the end.

    Args:
        offset: in bytes of all that was printed.
        limit: bytes, at most `LOG_BYTES`.
        raw: `base64` holds the bytes in place of the text, which may not be UTF-8.

    Raises:
        NotFoundError: the log is there and cannot be read, or something else stands there.
    """
    limit = min(max(limit, 0), LOG_BYTES)
    try:
        with place.open() as folder:
            gone = _read_gone(folder)
            parts = [f"{NAME}.1", NAME]
            sizes = [_size(folder, part) for part in parts]
            size = gone + sum(sizes)
            start = offset if offset >= 0 else size + offset
            # What a worker of an earlier release has cut is not counted: there it grows shorter.
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
        # Opened, so that what is no file of ours is refused rather than counted.
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
    """Return why a log cannot be read, with paths below the log root only."""
    path = str(error.filename or "").removeprefix(f"{place.root}/")
    where = f"{path} " if isinstance(error, UnfitError) and path else ""
    return f"the log cannot be read: {where}{error.strerror or error}"
