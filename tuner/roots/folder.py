"""An open folder below a root."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuner.roots.unfit import UnfitError, check_name, check_regular, kind_name

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: A named pipe is opened without waiting for its other end, a terminal without becoming its owner.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND | os.O_CLOEXEC
_APPEND = (_CREATE & ~os.O_EXCL) | os.O_NONBLOCK | os.O_NOCTTY
#: The errors of system calls if something other than a folder, or a link, is in the place.
_NOT_A_FOLDER = frozenset({errno.ENOTDIR, errno.ELOOP})


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder; the kind is that of the name itself, never of a link's target."""

    name: str
    kind: Literal["file", "folder", "other"]


class Folder:
    """A folder that stays the same one whatever happens to its path meanwhile.

    It holds one file descriptor; use it in a `with` block. Not thread-safe.

    Args:
        fd: of the directory; the object takes ownership.
        path: where it was found, for messages only.
    """

    def __init__(self, fd: int, path: Path) -> None:
        self._fd = fd
        self.path = path

    @classmethod
    def of_root(cls, root: Path) -> Folder:
        """Open a root itself. Its path is configured by the operator, so links in it are followed.

        Raises:
            OSError: it is missing, not a folder, or not accessible to this process.
        """
        return cls(os.open(root, _FOLDER), root)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def fileno(self) -> int:
        """Return the descriptor, for calls that take a `dir_fd`."""
        return self._fd

    def folder(self, name: str, *, make: bool = False) -> Folder:
        """Open the folder `name` in this one.

        Args:
            name: a single name, not a path.
            make: create it if missing.

        Raises:
            FileNotFoundError: it is missing.
            UnfitError: it is a link or not a folder.
            OSError: this process has no access to it, or it cannot be created.
        """
        check_name(name, str(self.path))
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=self._fd)
        try:
            fd = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self._fd)
        except OSError as exc:
            if exc.errno in _NOT_A_FOLDER:
                raise UnfitError(
                    str(self.path / name),
                    f"is {self.kind_of(name) or 'gone'}, and must be a folder",
                ) from None
            raise
        return Folder(fd, self.path / name)

    def stat(self, name: str) -> os.stat_result | None:
        """Return the status of `name`, of a link and not its target; None if it does not exist."""
        check_name(name, str(self.path))
        try:
            return os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def entries(self) -> Iterator[Entry]:
        """Yield the entries of the folder in arbitrary order, without keeping them in memory."""
        with os.scandir(self._fd) as found:
            for entry in found:
                yield Entry(entry.name, _kind(entry))

    def open_file(self, name: str, *, most: int | None = None) -> io.BufferedReader:
        """Open a regular file for reading, without ever blocking.

        Args:
            name: a single name, not a path.
            most: maximum size in bytes.

        Raises:
            FileNotFoundError: it is missing.
            UnfitError: it is not a regular file, has several names, or is too large.
            OSError: this process may not read it.
        """
        path = str(self.path / name)
        # Checked before opening, because opening a device can already have effects.
        found = self.stat(name)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        check_regular(found, path, most)
        try:
            fd = os.open(name, _READ, dir_fd=self._fd)
        except OSError as exc:
            if exc.errno in (errno.ELOOP, errno.ENXIO):
                raise UnfitError(path, "has just been replaced by something else") from None
            raise
        try:
            check_regular(os.fstat(fd), path, most)
            return os.fdopen(fd, "rb")
        except BaseException:
            os.close(fd)
            raise

    def read(self, name: str, most: int) -> bytes:
        """Return the content of a regular file of at most `most` bytes.

        Raises:
            OSError: see `open_file`; UnfitError also if it grows beyond `most` meanwhile.
        """
        with self.open_file(name, most=most) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise UnfitError(str(self.path / name), f"must hold at most {most} bytes")
        return content

    def create(self, name: str) -> int:
        """Create a new file and return its descriptor, opened for appending.

        Raises:
            FileExistsError: the name is taken.
            OSError: the file system is full, or the folder is gone or not accessible.
        """
        check_name(name, str(self.path))
        return os.open(name, _CREATE, 0o666, dir_fd=self._fd)

    def append(self, name: str) -> int:
        """Open a file for appending, creating it if missing; return its descriptor.

        Raises:
            UnfitError: the name belongs to something else, or the file has several names.
            OSError: the file system is full, or the folder is gone or not accessible.
        """
        path = str(self.path / name)
        found = self.stat(name)
        if found is not None:
            check_regular(found, path, None)
        try:
            fd = os.open(name, _APPEND, 0o666, dir_fd=self._fd)
        except OSError as exc:
            if exc.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
                raise UnfitError(path, "has just been replaced by something else") from None
            raise
        try:
            check_regular(os.fstat(fd), path, None)
            os.set_blocking(fd, True)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def replace(self, name: str, content: bytes) -> None:
        """Write a file atomically: a reader, or a crash, sees either the old file or the new one.

        Whatever has the name is replaced, even a link or a named pipe, but never followed or
        opened.

        Raises:
            UnfitError: a folder has the name.
            OSError: the file system is full or not writable; the old file is unchanged.
        """
        check_name(name, str(self.path))
        # Hosts share the folder and containers share process ids, so only random names are unique.
        temporary = f".{name}.{os.urandom(4).hex()}.tmp"
        fd = self.create(temporary)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self.rename(temporary, name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=self._fd)
            raise

    def rename(self, name: str, to: str) -> None:
        """Rename `name` within this folder; an existing file `to` is replaced.

        Raises:
            UnfitError: `to` is a folder.
            OSError: it cannot be done; nothing has changed.
        """
        check_name(name, str(self.path))
        check_name(to, str(self.path))
        try:
            os.replace(name, to, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except (IsADirectoryError, NotADirectoryError, FileExistsError):
            raise UnfitError(
                str(self.path / to), f"is {self.kind_of(to) or 'gone'}, and must be a file"
            ) from None

    def remove(self, name: str) -> None:
        """Remove a file, or a link itself; does nothing if there is none.

        Raises:
            UnfitError: it is a folder.
            OSError: it cannot be removed.
        """
        check_name(name, str(self.path))
        try:
            os.unlink(name, dir_fd=self._fd)
        except FileNotFoundError:
            return
        except (IsADirectoryError, PermissionError):
            found = self.stat(name)
            if found is None or not stat.S_ISDIR(found.st_mode):
                raise
            raise UnfitError(str(self.path / name), "is a folder, and must be a file") from None

    def kind_of(self, name: str) -> str | None:
        """Return the common name for `name`'s kind, e.g. "a named pipe"; None if it is missing."""
        found = self.stat(name)
        return None if found is None else kind_name(found.st_mode)


def _kind(entry: os.DirEntry[str]) -> Literal["file", "folder", "other"]:
    try:
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        return "file" if entry.is_file(follow_symlinks=False) else "other"
    except OSError:
        return "other"
