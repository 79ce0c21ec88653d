"""Whether a file can be an SQLite database, before anybody opens it; the way back where it cannot.

SQLite takes an empty file for a new database, and notices that a file was cut off only when it
comes to a page that is not there.
"""

from __future__ import annotations

import datetime
import struct
from pathlib import Path

from tuner.errors import SetupError

_MAGIC = b"SQLite format 3\0"
_HEADER = 100
#: An SQLite database in three files: these stand beside the first.
COMPANIONS = ("-wal", "-shm")

WAY_BACK = (
    "put a backup back: tuner db restore FILE --force (the damaged file is kept beside it); "
    "without a backup, move the file away to begin anew"
)


def problem_of(path: Path) -> str:
    """Return why a file is no whole SQLite database; empty: it may be one, or it is not there.

    Raises:
        SetupError: it cannot be read at all.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER)
            size = path.stat().st_size
    except FileNotFoundError:
        return ""
    except IsADirectoryError:
        return "is a folder"
    except OSError as exc:
        raise SetupError(f"the database file {path} cannot be read: {exc.strerror}") from exc
    if not head:
        return "is empty (0 bytes), as Tuner leaves none"
    if not head.startswith(_MAGIC):
        return "is no SQLite database"
    return _cut_off(path, head, size)


def require_whole(path: Path) -> None:
    """Refuse a file that is no whole SQLite database.

    Raises:
        SetupError: it is none; the text names the file and the way back.
    """
    problem = problem_of(path)
    if problem:
        raise damaged(path, problem)


def damaged(path: Path, problem: str) -> SetupError:
    """Return the error that says what is wrong with a database file, and the way back."""
    return SetupError(f"the database file {path} {problem}; {WAY_BACK}")


def set_aside(path: Path) -> dict[Path, Path]:
    """Rename a damaged database, all its files; return the old names by the new ones."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    moved = {}
    for suffix in ("", *COMPANIONS):
        old = path.with_name(path.name + suffix)
        if old.exists():
            new = path.with_name(f"{path.name}.damaged-{stamp}{suffix}")
            old.rename(new)
            moved[new] = old
    return moved


def _cut_off(path: Path, head: bytes, size: int) -> str:
    """Return that a database has fewer pages than it says, where nothing else can hold them."""
    page = struct.unpack_from(">H", head, 16)[0] if len(head) == _HEADER else 0
    page = 65536 if page == 1 else page
    if page < 512:
        return "is damaged: its header is cut off or wrong"
    changes, pages = struct.unpack_from(">II", head, 24)
    # The count of pages holds for the change that it was written with.
    valid = struct.unpack_from(">I", head, 92)[0]
    wal = path.with_name(path.name + "-wal")
    has_wal = wal.exists() and wal.stat().st_size > 0
    if not has_wal and changes == valid and size < pages * page:
        return f"is cut off: {size} bytes are there of {pages * page}"
    return ""
