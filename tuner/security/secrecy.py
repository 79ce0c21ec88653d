"""Hides the service's secrets from other processes of the same user, above all from trials.

This protects only against processes without the right to look into others (`CAP_SYS_PTRACE`, which
root has outside of containers); a file that the user may read stays readable. docs/trials.md says
what holds where.
"""

from __future__ import annotations

import os
from collections.abc import Collection, MutableMapping
from pathlib import Path

from tuner.runtime.system import is_linux

#: Variables that hold a secret, or something with a password in it, when they are given by value.
SECRET_VALUES = (
    "TUNER_TOKEN",
    "TUNER_WORKER_TOKEN",
    "TUNER_DATABASE_URL",
    "TUNER_REDIS_URL",
    "TUNER_WORKER_REDIS_URL",
)
_PR_SET_DUMPABLE = 4


def keep_secrets(environ: MutableMapping[str, str]) -> None:
    """Hide the memory of this process, and the secrets in the environment it was started with.

    `environ` keeps them: this process, and those that it starts with them, still know them.
    """
    if not is_linux():
        return
    for name in SECRET_VALUES:
        if name in environ:
            # Otherwise the copy of the C library would be wiped; a variable that is set again lies
            # elsewhere.
            environ[name] = environ[name]
    wipe_environment(SECRET_VALUES)
    set_readable(readable=False)


def set_readable(*, readable: bool) -> None:
    """Set whether other processes of the same user may read this one's memory and environment.

    A forked process inherits this from its parent; a program that is executed starts readable. An
    unreadable process leaves no core dump, and its files in `/proc` belong to root.
    """
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, int(readable), 0, 0, 0)


def wipe_environment(names: Collection[str]) -> None:
    """Overwrite variables in the block that the kernel shows as `/proc/<pid>/environ`.

    Removing them from `os.environ` leaves that block as it was at the start, and every forked
    process, and every other process of the same user, can read it.
    """
    import ctypes

    try:
        block = Path("/proc/self/environ").read_bytes()
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return
    # Field 50 of proc(5), env_start; the split starts with field 3.
    address = int(fields[47])
    offset = 0
    for entry in block.split(b"\0"):
        if os.fsdecode(entry.partition(b"=")[0]) in names:
            ctypes.memset(address + offset, 0, len(entry))
        offset += len(entry) + 1
