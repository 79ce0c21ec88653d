"""How a command ended, in words: exit status, signal, out of memory, disk full."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from workers.command.errors import CommandError
from workers.failures.causes import signal_name, with_own_names, with_tail
from workers.failures.device_texts import device_cause
from workers.failures.missing import how_to_install, how_to_take_along
from workers.records.files import probe

#: A shell's exit status for a child ended by a signal: 128 plus the signal.
_SHELL = 128
_FULL = re.compile(r"No space left on device|Disk quota exceeded|Read-only file system")
_NO_MEMORY = re.compile(
    r"^(MemoryError|.*Cannot allocate memory|.*can't allocate memory)\b", re.MULTILINE
)
_NO_MODULE = re.compile(r"^ModuleNotFoundError: No module named '([\w.]+)'", re.MULTILINE)
_NO_FILE = re.compile(r"^FileNotFoundError: .*: '([^/'\n][^'\n]*)'$", re.MULTILINE)
#: Number of last output lines in which to look for a cause.
_LINES = 20


def explain_status(
    status: int, tail: str, *, folder: Path, of_memory: bool, roots: Sequence[Path]
) -> CommandError:
    """Return the error for a command that did not end with status 0.

    Args:
        status: exit status, or minus the signal.
        tail: the end of its output.
        folder: that it ran in; its files are shown by the names that the user knows.
        of_memory: whether the kernel has killed a process for memory meanwhile.
        roots: log root and checkpoint root: if one of them is full, that is the reason.
    """
    ended = f"exited with status {status}" if status >= 0 else f"died of {signal_name(-status)}"
    ended = f"the command {ended}"
    killed = status in (-signal.SIGKILL, _SHELL + signal.SIGKILL)
    if killed and of_memory:
        return CommandError(f"{ended}: the kernel killed it for memory", "oom")
    if status == -signal.SIGKILL:
        return CommandError(ended, "lost")
    last = "\n".join(tail.splitlines()[-_LINES:])
    advice = _advice(last, folder)
    tail = with_own_names(tail, str(folder))
    text = with_tail(f"{ended}: {advice}" if advice else ended, tail)
    if _FULL.search(last) and any(_is_full(root) for root in roots):
        return CommandError(text, "storage")
    if cause := device_cause(last):
        return CommandError(text, cause)
    return CommandError(text, "oom" if _NO_MEMORY.search(last) else "error")


def _advice(last: str, folder: Path) -> str:
    """Return what to do about a module or a file that a Python script did not find."""
    if found := _NO_MODULE.search(last):
        return how_to_install(ModuleNotFoundError(found[0], name=found[1]))
    if found := _NO_FILE.search(last):
        return how_to_take_along(FileNotFoundError(str(folder / found[1])), str(folder))
    return ""


def _is_full(root: Path) -> bool:
    try:
        probe(root)
    except OSError:
        return True
    return False
