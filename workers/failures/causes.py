"""Why an attempt failed: causes of exceptions, ends of processes and full disks."""

from __future__ import annotations

import errno
import os
import re
import signal
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from tuner.protocol import ERROR_LINES, MAX_ERROR_CHARS, Cause
from tuner.roots import Place
from workers.failures.device_texts import device_cause
from workers.failures.missing import how_to_do_without, how_to_install, how_to_take_along
from workers.records.files import OUTPUT, probe

FULL = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
#: Maximum number of bytes of a dead process's output to look at.
TAIL_BYTES = 65536
# Frames contain paths as text.
_HERE = str(Path(__file__).parents[1]) + os.sep
#: h5py and TensorFlow give the number only in the text.
_FULL_TEXT = re.compile(
    r"errno = (\d+)|No space left on device|Read-only file system|Disk quota exceeded"
)
#: Parts of Python's crash report to leave out: frames that are not the user's, and a list of all C
#: modules.
_NOISE = re.compile(rf'^  File "({re.escape(_HERE)}|<frozen runpy>)|^Extension modules: ')
#: Colours, the movements of progress bars, backspaces.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def classify(error: BaseException, roots: Sequence[Path]) -> Cause:
    """Return the cause for an exception from user code.

    What it was explicitly raised from (`raise … from`) counts as well: a user who wraps an error
    still reports it.

    Args:
        roots: log root and checkpoint root; a full disk elsewhere is the user's concern.
    """
    for link in _chain(error):
        if _is_full(link):
            return "storage" if any(_concerns(link, root) for root in roots) else "error"
        if cause := _memory_or_device(link):
            return cause
    return "error"


def explain_exit(status: int, place: Place, *, of_memory: bool) -> tuple[Cause, str]:
    """Return cause and explanation for a process that ended without a result.

    The explanation ends with how it died; above that is its last output, which contains the stack
    of a crash.

    Args:
        status: exit status, or minus the signal.
        place: folder of the run, which contains its standard output and error.
        of_memory: whether the kernel has killed it for memory.
    """
    died = describe_exit(status)
    if of_memory:
        return "oom", f"{died}: the kernel killed it for memory"
    if status == -signal.SIGKILL:
        return "lost", died
    tail = read_tail(place)
    cause: Cause | None = device_cause(tail) if status == -signal.SIGABRT else None
    return cause or "error", with_tail(died, tail)


def read_tail(place: Place) -> str:
    """Return the last lines of a run's output, as a terminal would show them.

    Empty if it cannot be read, or something else has its name.
    """
    try:
        with place.open() as folder, folder.open_file(OUTPUT) as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            text = file.read(TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    # A progress bar rewrites its line; only its last state was visible.
    lines = [_CONTROL.sub("", line.rstrip("\r").rpartition("\r")[2]) for line in text.split("\n")]
    return "\n".join(line for line in lines if not _NOISE.search(line))


def with_tail(text: str, tail: str) -> str:
    """Return `text` below the preceding output, in `ERROR_LINES` lines."""
    return last_lines(f"{tail.strip()}\n{text}")


def describe_error(error: BaseException, code_root: str | None = None) -> str:
    """Return the end of the traceback, without the frames of this package.

    Its last line is what commands show: it says what to do if that is known.

    Args:
        code_root: folder of the code, whose files are shown by the names that the user knows.
    """
    report = traceback.TracebackException.from_exception(error)
    _trim(report)
    text = with_own_names("".join(report.format()).rstrip(), code_root)
    advice = (
        how_to_install(error) or how_to_take_along(error, code_root) or how_to_do_without(error)
    )
    return last_lines(f"{text}: {advice}" if advice else text)


def with_own_names(text: str, code_root: str | None) -> str:
    """Return a traceback with the user's files named as in the user's folder."""
    if code_root is None:
        return text
    start = code_root.rstrip(os.sep) + os.sep
    # Only where a module is named: missing data is missing in the snapshot.
    return text.replace(f'File "{start}', 'File "').replace(f"({start}", "(")


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
    return f"the trial's process died of {signal_name(-status)}"


def signal_name(number: int) -> str:
    """Return the name of a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _trim(report: traceback.TracebackException) -> None:
    pending: list[traceback.TracebackException | None] = [report]
    while pending:
        current = pending.pop()
        if current is None:
            continue
        kept = [frame for frame in current.stack if not frame.filename.startswith(_HERE)]
        current.stack = traceback.StackSummary.from_list(kept)
        pending += [current.__cause__, current.__context__]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it was explicitly raised from."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__


def _memory_or_device(error: BaseException) -> Cause | None:
    if isinstance(error, MemoryError):
        return "oom"
    if isinstance(error, OSError):
        return "oom" if error.errno == errno.ENOMEM else None
    # Safe even if a user's `__str__` raises.
    if cause := device_cause("".join(traceback.format_exception_only(error))):
        return cause
    # TensorFlow's and PyTorch's, without importing either.
    if _is_named(error, "ResourceExhaustedError") or _is_named(error, "OutOfMemoryError"):
        return "oom"
    return None


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    if not isinstance(error, OSError) and not _is_named(error, "ResourceExhaustedError"):
        return False
    match = _FULL_TEXT.search(str(error))
    return match is not None and (match[1] is None or int(match[1]) in FULL)


def _concerns(error: BaseException, root: Path) -> bool:
    """Return whether a full-disk error came from below `root`."""
    filename = getattr(error, "filename", None)
    if isinstance(filename, str | bytes):
        return Path(os.fsdecode(filename)).is_relative_to(root)
    # Errors from writing to an open file do not name it: check whether the root accepts a small
    # one.
    try:
        probe(root)
    except OSError:
        return True
    return False


def _is_named(error: BaseException, name: str) -> bool:
    return any(kind.__name__ == name for kind in type(error).__mro__)
