"""Why an attempt failed: causes of exceptions, exit statuses and full disks."""

from __future__ import annotations

import errno
import os
import re
import signal
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from tuner.protocol import ERROR_LINES, Cause

FULL = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
MAX_ERROR_CHARS = 20_000
# Frames hold paths as text.
_HERE = str(Path(__file__).parent) + os.sep
#: h5py and TensorFlow tell the number only in the text.
_FULL_TEXT = re.compile(
    r"errno = (\d+)|No space left on device|Read-only file system|Disk quota exceeded"
)


def classify(error: BaseException, roots: Sequence[Path]) -> Cause:
    """Return the cause that an exception of user code stands for.

    Args:
        error: what was raised.
        roots: log root and checkpoint root; a full disk elsewhere is the user's affair.
    """
    if _is_full(error) and any(_concerns(error, root) for root in roots):
        return "storage"
    if isinstance(error, MemoryError) or _is_device_oom(error):
        return "oom"
    return "error"


def describe_error(error: BaseException) -> str:
    """Return the end of the traceback, without the frames of this package."""
    report = traceback.TracebackException.from_exception(error)
    _trim(report)
    return last_lines("".join(report.format()))


def last_lines(text: str) -> str:
    """Return the last `ERROR_LINES` lines of `text`, in characters that every database stores."""
    clean = text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    return "\n".join(clean.strip().splitlines()[-ERROR_LINES:])[-MAX_ERROR_CHARS:]


def describe_exit(status: int) -> str:
    """Return in words how a process ended that left no result.

    Args:
        status: exit status, or minus the signal.
    """
    if status >= 0:
        return f"the trial's process exited with status {status} without a result"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"the trial's process died of {name}"


def _trim(report: traceback.TracebackException) -> None:
    pending: list[traceback.TracebackException | None] = [report]
    while pending:
        current = pending.pop()
        if current is None:
            continue
        kept = [frame for frame in current.stack if not frame.filename.startswith(_HERE)]
        current.stack = traceback.StackSummary.from_list(kept)
        pending += [current.__cause__, current.__context__]


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    if not isinstance(error, OSError) and not _is_named(error, "ResourceExhaustedError"):
        return False
    match = _FULL_TEXT.search(str(error))
    return match is not None and (match[1] is None or int(match[1]) in FULL)


def _concerns(error: BaseException, root: Path) -> bool:
    """Return whether a full-disk error came from under `root`."""
    filename = getattr(error, "filename", None)
    if isinstance(filename, str | bytes):
        return Path(os.fsdecode(filename)).is_relative_to(root)
    # Writing to an open file does not name it: see whether the root takes a few bytes.
    try:
        with tempfile.TemporaryFile(dir=root) as file:
            file.write(bytes(4096))
            file.flush()
    except OSError:
        return True
    return False


def _is_device_oom(error: BaseException) -> bool:
    if _is_named(error, "XlaRuntimeError"):
        return "RESOURCE_EXHAUSTED" in str(error)
    # TensorFlow's and PyTorch's, without importing either.
    return _is_named(error, "ResourceExhaustedError") or _is_named(error, "OutOfMemoryError")


def _is_named(error: BaseException, name: str) -> bool:
    return any(kind.__name__ == name for kind in type(error).__mro__)
