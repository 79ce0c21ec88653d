"""Reading pieces of a trial's output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tuner.errors import NotFoundError

#: At most so much of a log at once.
LOG_BYTES = 1 << 20


def read_log(path: Path, offset: int, limit: int) -> dict[str, Any]:
    """Return `text`, `next_offset` and `size`; a negative offset counts from the end.

    Raises:
        NotFoundError: the file is there and cannot be read.
    """
    limit = min(max(limit, 0), LOG_BYTES)
    try:
        size = path.stat().st_size
        # After a rotation the log is shorter than what was read: begin again.
        start = min(offset, size) if offset >= 0 else max(0, size + offset)
        start = start if start >= offset or offset < 0 else 0
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(limit)
    except FileNotFoundError:
        return {"text": "", "next_offset": 0, "size": 0}
    except OSError as exc:
        raise NotFoundError(f"the log cannot be read: {exc.strerror}") from exc
    return {"text": data.decode(errors="replace"), "next_offset": start + len(data), "size": size}
