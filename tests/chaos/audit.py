"""What the servers opened, made, changed and removed, by the system calls themselves (`strace`)."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

#: Every call that names a file, but those that only look at it or run it.
_TRACED = (
    "open,openat,?openat2,creat,truncate,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,"
    "mkdirat,mknod,mknodat,symlink,symlinkat,link,linkat,chmod,fchmodat,chown,lchown,fchownat,"
    "setxattr,lsetxattr,utimensat"
)
_LINE = re.compile(r"^\d+\s+(\w+)\((.*)\)\s+= \d+(?:<(.*?)>)?(?: \(deleted\))?$")
#: A path, after the directory that it begins in where the call names one.
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")
#: Not files of anybody's.
_NOBODYS = ("/dev/", "/proc/", "/sys/", "pipe:", "socket:", "anon_inode:")
SHOWN = 20


def has_strace() -> bool:
    """Whether this machine has the program (Debian's package of the same name)."""
    return shutil.which("strace") is not None


def audited(log: Path) -> tuple[str, ...]:
    """Return what a command is put behind, so that its calls and its children's are logged."""
    return ("strace", "-f", "-qq", "-z", "-y", "--seccomp-bpf", "-s", "4096", "-e",
            f"trace={_TRACED}", "-o", str(log))  # fmt: skip


def check_audit(log: Path, *, roots: Sequence[Path], guard: Path) -> Iterator[str]:
    """Yield what was touched and must not have been, each path once.

    Args:
        log: of `audited`.
        roots: all that may be written, made or removed lies below one of them.
        guard: nothing below it may even be opened.
    """
    allowed = tuple(f"{os.path.realpath(root)}" for root in roots)
    forbidden = os.path.realpath(guard)
    found: Counter[str] = Counter()
    calls = 0
    with log.open(errors="replace") as lines:
        for line in lines:
            match = _LINE.match(line)
            if match is None:
                continue
            calls += 1
            name, arguments, opened = match.groups()
            is_open = name.startswith(("open", "creat"))
            writes = not is_open or _WRITES.search(arguments) is not None
            for path in [opened] if is_open and opened else _named(arguments):
                if _is_below(path, (forbidden,)):
                    found[f"{name} {path}, in the guard"] += 1
                elif writes and not path.startswith(_NOBODYS) and not _is_below(path, allowed):
                    found[f"{name} {path}, outside the roots"] += 1
    if not calls:
        yield f"{log} holds no call at all"
    for what, count in found.most_common(SHOWN):
        yield f"audit: {what} ({count} times)"


def _named(arguments: str) -> Iterator[str]:
    """Yield the paths of a call; links in the directory of a path are followed, its name is not."""
    for folder, name in _PATH.findall(arguments):
        path = Path(folder) / name
        yield str(Path(os.path.realpath(path.parent)) / path.name)


def _is_below(path: str, roots: Sequence[str]) -> bool:
    return any(path == root or path.startswith(f"{root}/") for root in roots)
