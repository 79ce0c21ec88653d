"""Reading pieces of a trial's output, whose beginning may be gone.

A worker moves a grown `output.log` to `output.log.1`, which it replaces at the next time, and
counts in `output.log.gone` the bytes that this has cost. Offsets are those of all that was printed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tuner.errors import NotFoundError

#: At most so much of a log at once.
LOG_BYTES = 1 << 20


def read_log(path: Path, offset: int, limit: int) -> dict[str, Any]:
    """Return `text`, `next_offset`, `size` and `gone`; a negative offset counts from the end.

    `gone` is how many bytes of the beginning are not kept: no text begins before.

    Raises:
        NotFoundError: the file is there and cannot be read.
    """
    limit = min(max(limit, 0), LOG_BYTES)
    try:
        gone = _read_gone(path)
        parts = [path.with_name(f"{path.name}.1"), path]
        sizes = [_size(part) for part in parts]
        size = gone + sum(sizes)
        start = offset if offset >= 0 else size + offset
        # What a worker of an earlier release has cut is not counted: there the log grows shorter.
        start = 0 if start > size else start
        start = max(start, gone)
        data = b""
        begin = gone
        for part, length in zip(parts, sizes, strict=True):
            skipped = start + len(data) - begin
            if 0 <= skipped < length and len(data) < limit:
                with part.open("rb") as file:
                    file.seek(skipped)
                    data += file.read(min(limit - len(data), length - skipped))
            begin += length
    except OSError as exc:
        raise NotFoundError(f"the log cannot be read: {exc.strerror}") from exc
    text = data.decode(errors="replace")
    return {"text": text, "next_offset": start + len(data), "size": size, "gone": gone}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _read_gone(path: Path) -> int:
    try:
        return max(0, int(path.with_name(f"{path.name}.gone").read_text()))
    except (FileNotFoundError, ValueError):
        return 0
