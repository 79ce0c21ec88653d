"""Code snapshots on this host: fetched once, verified, unpacked, never changed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import logging
import os
import posixpath
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from tuner.archives import ArchiveError, check_archive
from workers.objective.own_modules import RESERVED, hiding_modules

logger = logging.getLogger(__name__)

#: Seconds after which a snapshot that no trial of this host has used is removed; it is fetched
#: again when needed.
UNUSED_S = 30 * 86400.0
#: Errors that are the host's fault, whatever is unpacked.
_OF_THE_HOST = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE),
)
_HASH = re.compile(r"[0-9a-f]{64}")


class CodeError(Exception):
    """A snapshot cannot be unpacked anywhere, or must not be run: the study's own fault."""


class FetchError(Exception):
    """A snapshot could not be fetched or stored here; another worker may succeed."""


class CodeCache:
    """The snapshots unpacked on this host, one folder per hash.

    Args:
        root: created with the first snapshot.
        fetch: returns the tar.gz bytes for a hash.
    """

    def __init__(self, root: Path, fetch: Callable[[str], bytes]) -> None:
        self.root = root
        self._fetch = fetch

    def folder(self, sha256: str) -> Path:
        """Return the folder that contains the snapshot, fetching it if it is missing.

        Raises:
            CodeError: it cannot be unpacked, or must not be run.
            FetchError: what was received is not that snapshot.
            OSError: there is no room for it.
        """
        if not _HASH.fullmatch(sha256):
            raise CodeError(f"code snapshot {sha256!r}: not a SHA-256 in hexadecimal")
        folder = self.root / sha256
        if not folder.is_dir():
            self._unpack(sha256, folder)
        self.keep(sha256)
        return folder

    def keep(self, sha256: str) -> None:
        """Record that a snapshot is in use; it stays until it has been unused for `UNUSED_S`."""
        with contextlib.suppress(OSError):
            os.utime(self.root / sha256)

    def clear(self, now: float) -> list[str]:
        """Remove the snapshots that were not used for `UNUSED_S`; return their hashes.

        Other workers of the host share the folder, and do the same.

        Args:
            now: seconds since the epoch.
        """
        removed = []
        for folder in self._unused(now):
            # Moved away first, so that nobody finds half of it.
            left = self.root / f".{folder.name[:12]}-{os.urandom(4).hex()}"
            with contextlib.suppress(OSError):
                os.rename(folder, left)  # noqa: PTH104 - must fail where `replace` would not
                removed.append(folder.name)
            shutil.rmtree(left, ignore_errors=True)
        return removed

    def _unused(self, now: float) -> list[Path]:
        """Return old snapshots, and old remains of failed attempts to unpack one."""
        try:
            entries = list(os.scandir(self.root))
        except OSError:
            return []
        old = []
        for entry in entries:
            is_ours = _HASH.fullmatch(entry.name) or entry.name.startswith(".")
            with contextlib.suppress(OSError):
                used = entry.stat(follow_symlinks=False).st_mtime
                if is_ours and entry.is_dir(follow_symlinks=False) and used < now - UNUSED_S:
                    old.append(Path(entry.path))
        return old

    def _unpack(self, sha256: str, folder: Path) -> None:
        data = self._fetch(sha256)
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise FetchError(f"code snapshot {sha256}: the server sent other bytes ({found})")
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{sha256[:12]}-", dir=self.root))
        try:
            _extract(data, temporary)
            # Another worker of this host may have been faster: its copy is as good.
            with contextlib.suppress(OSError):
                os.rename(temporary, folder)  # noqa: PTH104 - must fail where `replace` would not
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        if not folder.is_dir():
            raise OSError(f"{folder}: the code snapshot cannot be put there")
        for said in hiding_modules(folder):
            logger.warning("module hidden", extra={"snapshot": sha256, "reason": said})


def _extract(data: bytes, target: Path) -> None:
    try:
        check_archive(data)
    except ArchiveError as exc:
        raise CodeError(f"code snapshot cannot be unpacked: {exc}") from exc
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            members = archive.getmembers()
            _check(members)
            if hasattr(tarfile, "data_filter"):
                archive.extractall(target, members, filter="data")
            else:  # Python 3.11.2 of Debian 12 has no filters; `_check_plain` stands in for them
                _check_plain(members)
                archive.extractall(target, members)  # noqa: S202 - checked  # nosec B202  # each member was looked at
    except (tarfile.TarError, EOFError, ValueError, RecursionError, zlib.error) as exc:
        raise CodeError(f"code snapshot cannot be unpacked: {_without(target, exc)}") from exc
    except OSError as exc:
        if exc.errno in _OF_THE_HOST:
            raise
        # A name that is too long, or a file and a folder of the same name: the same on every host.
        raise CodeError(f"code snapshot cannot be unpacked: {_without(target, exc)}") from exc


def _without(target: Path, exc: Exception) -> str:
    """Return an error's text without the folder, which differs each time."""
    text = str(exc).replace(f"{target}{os.sep}", "").replace(str(target), "")
    return text[:500]


def _check_plain(members: list[tarfile.TarInfo]) -> None:
    """Allow only files, folders and links that stay below the target, as snapshots contain them.

    Raises:
        CodeError: it contains a device, or a name or link that leads out of the folder.
    """
    for member in members:
        inside = _stays(member.name)
        if member.issym():
            inside = inside and _stays(posixpath.join(member.name, "..", member.linkname))
        if not inside or not (member.isfile() or member.isdir() or member.issym()):
            raise CodeError(f"code snapshot holds {member.name!r}, which cannot be unpacked safely")
        member.mode = 0o755 if member.isdir() else 0o644


def _stays(name: str) -> bool:
    """Return whether a relative path stays below its starting folder."""
    path = PurePosixPath(posixpath.normpath(name))
    return not path.is_absolute() and ".." not in path.parts


def _check(members: list[tarfile.TarInfo]) -> None:
    for member in members:
        parts = PurePosixPath(member.name).parts
        if not parts and not member.isdir():
            raise CodeError("code snapshot cannot be unpacked: it holds a file without a name")
        top = parts[0] if parts else ""
        if top in RESERVED or (len(parts) == 1 and top.removesuffix(".py") in RESERVED):
            raise CodeError(
                f"code snapshot holds a module called {top!r}, a name of this service; rename it"
            )
