"""Checks home, log root and checkpoint root: owner, permissions, free space."""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tuner.local.closing import open_to_others
from tuner.local.doctor.finding import DoctorFinding, failed, ok, warning
from tuner.settings import Settings

#: Free space in bytes below which trials are not started, and below which that is near.
_FULL_BYTES, _LITTLE_BYTES = 64 << 20, 1 << 30
#: File systems of other hosts: SQLite's locks and memory maps are unreliable there.
_NETWORK = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.sshfs"),
        *("fuse.glusterfs", "lustre", "beegfs", "gpfs"),
    )
)


def look_at_home(settings: Settings) -> Iterator[DoctorFinding]:
    """Yield the state of the home."""
    home = settings.home
    if not home.is_dir():
        yield ok("home", f"{home} does not exist yet; the first command that needs it makes it")
        return
    owner = home.stat().st_uid
    if owner != os.geteuid():
        yield failed(
            "home",
            f"{home} belongs to {_account(owner)}, and you are {_account(os.geteuid())}",
            "become that account, or set TUNER_HOME to a folder of your own",
        )
        return
    if not os.access(home, os.W_OK | os.X_OK):
        yield failed("home", f"{home} cannot be written by its owner", f"chmod 700 {home}")
        return
    if is_open := open_to_others(settings):
        names = ", ".join("itself" if path == home else path.name for path in is_open[:4])
        more = f" and {len(is_open) - 4} more" if len(is_open) > 4 else ""
        yield warning(
            "home",
            f"others can read in {home}: {names}{more}",
            "the next start of the service closes them; a home that holds files of yours too stays "
            f"open: chmod 700 {home}",
        )
    yield from _room("home", home)
    kind = file_system(home)
    if kind in _NETWORK and settings.is_sqlite and not settings.names_database:
        yield warning(
            "home",
            f"{home} is on a network file system ({kind}), where SQLite's locks may not hold",
            "set TUNER_HOME to a folder of a local disk, or TUNER_DATABASE_URL to a PostgreSQL",
        )


def look_at_roots(settings: Settings) -> Iterator[DoctorFinding]:
    """Yield the state of log root and checkpoint root."""
    for subject, root, variable in (
        ("log root", settings.log_root, "TUNER_LOG_ROOT"),
        ("checkpoints", settings.checkpoint_root, "TUNER_CHECKPOINT_ROOT"),
    ):
        there = next((path for path in (root, *root.parents) if path.exists()), root)
        if not there.is_dir():
            yield failed(subject, f"{there} is not a folder", f"set {variable} to a folder")
            continue
        if (problem := _unwritable(there)) is not None:
            yield failed(
                subject,
                f"{root} cannot be written: {problem}",
                f"let {_account(os.geteuid())} write there, or set {variable} to another folder",
            )
            continue
        yield from _room(subject, there, shown=root)


def file_system(path: Path) -> str:
    """Return the type of the file system that holds a path; empty if unknown."""
    try:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    whole = os.path.realpath(path)
    best, kind = "", ""
    for line in mounts:
        point, found = line.split(" ")[1:3]
        point = point.encode().decode("unicode_escape")
        is_above = whole == point or whole.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= len(best):
            best, kind = point, found
    return kind


def _room(subject: str, path: Path, shown: Path | None = None) -> Iterator[DoctorFinding]:
    """Yield the free space of a folder; inodes can run out as well as bytes."""
    found = os.statvfs(path)
    free = found.f_bavail * found.f_frsize
    where = f"{shown or path}: {_size(free)} free"
    if free < _FULL_BYTES:
        yield failed(subject, where, "make room on that disk: no trial is started meanwhile")
    elif found.f_files and found.f_favail < 1000:
        left = f"{shown or path}: room for {found.f_favail} more files"
        yield failed(subject, left, "remove files of that disk: it has no room for their names")
    elif free < _LITTLE_BYTES:
        yield warning(subject, where, "make room on that disk before it is full")
    else:
        yield ok(subject, where)


def _unwritable(folder: Path) -> str | None:
    """Return why nothing can be written; the test file has no name, so it leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as exc:
        return exc.strerror
    return None


def _size(count: int) -> str:
    gib = count / (1 << 30)
    return f"{gib:.1f} GB" if gib >= 1 else f"{count >> 20} MB"


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def mode_of(path: Path) -> int | None:
    """Return the mode of a file, None if there is none."""
    try:
        return stat.S_IMODE(path.lstat().st_mode)
    except OSError:
        return None
