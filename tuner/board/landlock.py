"""Landlock: a process gives up rights permanently, for itself and everything that it starts.

System calls, numbers and structures: `man 7 landlock`, `include/uapi/linux/landlock.h`. The ABI
says what a kernel supports: 1 (Linux 5.13) files; 2 (5.19) moving files between folders; 3 (6.2)
truncating files; 4 (6.7) TCP ports; 5 (6.10) device commands; 6 (6.12) signals and abstract
sockets. An older kernel ignores what it does not support; the rest is enforced.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tuner.runtime.system import is_linux

# The same on every architecture that Tuner runs on.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
#: Creating devices (bits 6 and 11) is in none of the granted sets of rights.
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
#: All rights to files that a kernel of this ABI supports.
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

_READ = _READ_FILE | _READ_DIR
_RUN = _READ | _EXECUTE
_BIND_TCP = 1 << 0
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1 << 0, 1 << 1


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What a confined process may do; all other access to files and ports is denied.

    Args:
        read: files and folders, with everything below them, that it may read.
        run: the same for those that it may also execute.
        write: the same for those that it may also change.
        ports: TCP ports that it may listen on; 0 lets the kernel choose one. Connecting is not
            restricted, because Landlock can restrict only ports, not hosts.
    """

    read: tuple[Path, ...] = ()
    run: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    ports: tuple[int, ...] = ()


class _Ruleset(ctypes.Structure):
    # An older kernel accepts the longer structure as long as the unknown part is 0.
    _fields_ = [
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    ]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


class _NetPort(ctypes.Structure):
    _fields_ = [("allowed_access", ctypes.c_uint64), ("port", ctypes.c_uint64)]


def landlock_abi() -> int:
    """Return the kernel's Landlock ABI, 0 if there is none.

    Also 0 if a container's filter of system calls forbids it.
    """
    if not is_linux():
        return 0
    try:
        return _call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def confine(rights: Rights) -> int:
    """Confine this thread, and everything that it starts from now on, to `rights`.

    Paths that do not exist, or that this process may not open, give no right.

    Returns:
        The ABI of the kernel, which says how much is enforced; 0: nothing is.

    Raises:
        OSError: the kernel supports Landlock and refused the call.
    """
    abi = landlock_abi()
    if abi < 1:
        return 0
    handled = _FILE_RIGHTS[max(known for known in _FILE_RIGHTS if known <= abi)]
    changes = handled & ~(_EXECUTE | _MAKE_CHAR | _MAKE_BLOCK)
    ruleset = _Ruleset(
        handled_access_fs=handled,
        handled_access_net=_BIND_TCP if abi >= 4 else 0,
        scoped=_SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if abi >= 6 else 0,
    )
    fd = _call(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.sizeof(ruleset), 0)
    try:
        _allow(fd, rights.read, _READ)
        _allow(fd, rights.run, _RUN)
        _allow(fd, rights.write, changes)
        for port in rights.ports if abi >= 4 else ():
            rule = _NetPort(allowed_access=_BIND_TCP, port=port)
            _call(_ADD_RULE, fd, _NET_PORT, ctypes.byref(rule), 0)
        # Required by the kernel: otherwise a set-uid program would run with rights that it lacks.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "no_new_privs cannot be set")
        _call(_RESTRICT_SELF, fd, 0)
    finally:
        os.close(fd)
    return abi


def _allow(ruleset: int, paths: Iterable[Path], rights: int) -> None:
    for path in paths:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            # Rights that apply only to folders are refused for a file.
            fitting = rights if path.is_dir() else rights & _OF_FILES
            rule = _PathBeneath(allowed_access=fitting, parent_fd=fd)
            _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(fd)


def _call(number: int, *args: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    plain = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    libc.syscall.restype = ctypes.c_long
    result = int(libc.syscall(ctypes.c_long(number), *plain))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result
