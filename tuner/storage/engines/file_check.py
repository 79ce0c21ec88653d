"""Checks whether a file can be an SQLite database before it is used, and names the way to recover.

SQLite takes an empty file for a new database; everything else it notices by itself. The file is
never opened here: closing it again would release the locks that SQLite holds on it in this process,
and another process would then remove the journal that is in use.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from tuner.errors import SetupError

#: The files that stand beside an SQLite database.
COMPANIONS = ("-wal", "-shm")

WAY_BACK = (
    "put a backup back: tuner db restore FILE --force (the damaged file is kept beside it); "
    "without a backup, move the file away to start with an empty one"
)


def problem_of(path: Path) -> str:
    """Return why a file cannot be an SQLite database; empty if it may be one, or does not exist.

    Raises:
        SetupError: the file cannot be inspected.
    """
    try:
        if path.is_dir():
            return "is a folder"
        return "" if path.stat().st_size else "is empty (0 bytes), as Tuner leaves none"
    except FileNotFoundError:
        return ""
    except OSError as exc:
        raise SetupError(f"the database file {path} cannot be read: {exc.strerror}") from exc


def require_file(path: Path) -> None:
    """Refuse a file that cannot be an SQLite database.

    Raises:
        SetupError: it is not one; the text names the file and how to recover.
    """
    problem = problem_of(path)
    if problem:
        raise damaged(path, problem)


def damaged(path: Path, problem: str) -> SetupError:
    """Return the error that says what is wrong with a database file, and how to recover."""
    return SetupError(f"the database file {path} {problem}; {WAY_BACK}")


def in_words(said: object) -> str:
    """Return a plain description of SQLite's error about a damaged file."""
    if "not a database" in str(said):
        return "is not an SQLite database"
    return f"is damaged or cut off ({said})"


def set_aside(path: Path) -> dict[Path, Path]:
    """Rename all files of a damaged database; return the old names by the new ones."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    moved = {}
    for suffix in ("", *COMPANIONS):
        old = path.with_name(path.name + suffix)
        if old.exists():
            new = path.with_name(f"{path.name}.damaged-{stamp}{suffix}")
            old.rename(new)
            moved[new] = old
    return moved
