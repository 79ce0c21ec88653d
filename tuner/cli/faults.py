"""Messages for faults of the machine rather than the user: one sentence, never a traceback.

A fault of Tuner itself leaves its traceback in a file, and a sentence that says where.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import traceback
from pathlib import Path

#: The start of the storage's message about a database that does not answer.
NO_DATABASE = "the database is not available"

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_FILES = (errno.EMFILE, errno.ENFILE)
#: A disk with less free space is assumed to be the full one.
_SPARE_BYTES = 1 << 20


def explain(error: Exception) -> str | None:
    """Return which problem of the machine is in the way, and what to do; None: it is not one."""
    if isinstance(error, OSError):
        return _explain_os(error)
    if isinstance(error, MemoryError):
        return "this machine has no memory left; end something, or take fewer workers"
    library = type(error).__module__.partition(".")[0]
    if library in ("sqlalchemy", "sqlite3", "psycopg"):
        said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        return f"the database cannot be used: {said}{about_database()}"
    if library in ("httpx", "httpcore"):
        return f"the connection to the Tuner server broke: {error or type(error).__name__}"
    return None


def report(error: BaseException) -> str:
    """Write the traceback of a fault of ours to a file; return the sentence that says so."""
    text = "".join(traceback.format_exception(error))
    what = f"an error of Tuner's own: {type(error).__name__}: {error}".partition("\n")[0][:300]
    for folder in (_home(), Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            return f"{what}; please report it with {_write(folder, text)}"
    return f"{what}; it could not be written to a file:\n{text}"


def _write(folder: Path | None, text: str) -> str:
    """Write a file that only this account can read, and return its path."""
    if folder is None:
        raise FileNotFoundError
    handle, path = tempfile.mkstemp(prefix="error-", suffix=".txt", dir=folder)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return path


def silence(stream_fd: int) -> None:
    """Discard what is still written to a broken stream, so that the exit is quiet."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream_fd)
        os.close(nowhere)


def flush_output() -> OSError | None:
    """Flush what was printed; return the error if that fails."""
    try:
        sys.stdout.flush()
    except OSError as exc:
        return exc
    return None


def _explain_os(error: OSError) -> str | None:
    code, reason = error.errno, error.strerror or str(error)
    if error.filename is None and _writes_text(error):
        return f"what is printed cannot be written where it goes: {reason}"
    place = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    if code in _FULL:
        return (
            f"{place}no space is left on the disk{where_full()}; free some, "
            f"or set TUNER_HOME to a folder on another disk"
        )
    if code in _REFUSED and place:
        return (
            f"{place}{reason}; this account needs the right to write there, or another TUNER_HOME"
        )
    if code in _FILES:
        return f"{reason}; raise the limit with: ulimit -n 4096"
    if code == errno.EAGAIN:
        return f"no further process can be started ({reason}); `ulimit -u` is the limit"
    if code == errno.ENOMEM:
        return "this machine has no memory left; end something, or take fewer workers"
    return f"{place}{reason}" if place else None


def _writes_text(error: OSError) -> bool:
    """Return whether it was raised by printing rather than by writing a file."""
    trace = error.__traceback__
    module = ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return module.startswith(("rich.", "typer.", "tuner.cli."))


def about_database() -> str:
    """Return which file the database is, and what is wrong with its disk; empty for a server."""
    from tuner.errors import TunerError
    from tuner.settings import load_settings

    try:
        config = load_settings(os.environ)
    except TunerError:
        return ""
    if config.api_url or not config.is_sqlite:
        return ""
    path = Path(config.database_url.partition("///")[2])
    is_writable = os.access(path.parent, os.W_OK)
    return (
        f"; it is {path}{where_full() if is_writable else ', in a folder that cannot be written'}"
    )


def where_full() -> str:
    """Return which of our folders is on a full disk, in brackets; empty if none is."""
    home = _home()
    # Before the home exists, its disk is that of the folder in which it would be created.
    places = [] if home is None else [p for p in (home, *home.parents) if p.is_dir()][:1]
    for folder in (*places, Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            found = os.statvfs(folder)
            if found.f_bavail * found.f_frsize < _SPARE_BYTES:
                return f" (that of {folder} is full)"
    return ""


def _home() -> Path | None:
    """Return the home, None if the settings are invalid."""
    from tuner.errors import TunerError
    from tuner.settings import load_settings

    try:
        return load_settings(os.environ).home
    except TunerError:
        return None
