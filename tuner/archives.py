"""Checks the archive of a study's code before anything is unpacked.

The server checks an archive on arrival, a worker before unpacking it: anyone who may submit can
send anything. A few kilobytes of an archive can announce terabytes, headers that take minutes to
parse, or names that no file system accepts.
"""

from __future__ import annotations

import gzip
import io
import posixpath
import tarfile
import zlib
from typing import IO, Any, NoReturn, cast

#: Limits for the unpacked archive: bytes of files, and number of files, folders and links.
MAX_BYTES = 1 << 30
MAX_MEMBERS = 100_000
#: Maximum ratio of unpacked to compressed size, after the first `_FREE_BYTES`. Code compresses to a
#: fifth.
MAX_RATIO = 200
_FREE_BYTES = 32 << 20
#: Limits for names, as file systems have them: bytes of a path, bytes of a name, nesting depth.
MAX_PATH_BYTES = 2048
MAX_NAME_BYTES = 255
MAX_DEPTH = 64
#: Limits in bytes for the headers of one file, for the global headers, and for all headers together
#: (after `_USUAL_HEADER_BYTES` for each file): they are parsed part by part.
MAX_HEADER_BYTES = 64 << 10
MAX_GLOBAL_BYTES = 4 << 10
MAX_HEADERS_BYTES = 1 << 20
_USUAL_HEADER_BYTES = 512

_OF_ONE = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME)
_HEADERS = (*_OF_ONE, tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE)


class ArchiveError(ValueError):
    """An archive must not be unpacked; the text says what is wrong with it and what is allowed."""


def check_archive(data: bytes) -> None:
    """Check that an archive can be unpacked on any host, and within the limits.

    Args:
        data: a tar.gz.

    Raises:
        ArchiveError: it cannot, or it exceeds a limit.
    """
    most = min(MAX_BYTES + (MAX_MEMBERS + 2) * 512, _FREE_BYTES + MAX_RATIO * len(data))
    try:
        with gzip.open(io.BytesIO(data)) as plain:
            _check_members(cast("IO[bytes]", _Counted(plain, most)))
    except ArchiveError:
        raise
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, RecursionError) as exc:
        raise ArchiveError(f"it is not an archive (tar.gz): {str(exc)[:200]}") from exc


def _check_members(plain: IO[bytes]) -> None:
    tree = _Tree()
    total = 0
    with _Archive.open(fileobj=plain, mode="r|") as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()
            tree.add(member)
            total += member.size
            if total > MAX_BYTES:
                raise ArchiveError(f"it holds more than {MAX_BYTES} bytes")


class _Counted:
    """A stream that raises an error when it exceeds its maximum length."""

    def __init__(self, plain: gzip.GzipFile, most: int) -> None:
        self._plain = plain
        self._most = most
        self._left = most

    def read(self, size: int) -> bytes:
        content = self._plain.read(min(size, 1 << 16))
        self._left -= len(content)
        if self._left < 0:
            raise ArchiveError(
                f"it unpacks to more than {self._most} bytes: at most {MAX_BYTES}, and at most "
                f"{MAX_RATIO} times its own size"
            )
        return content


class _Spent:
    """The size of all headers of one archive so far. Mutable."""

    def __init__(self) -> None:
        self.headers = 0
        self.for_all = 0
        self.members = 0


class _Member(tarfile.TarInfo):
    """A header that is checked before the data that it announces is read."""

    def _proc_member(self, archive: Any) -> Any:
        if self.type in _HEADERS:
            self._check_header(archive)
        elif self.size > MAX_BYTES or self.type == tarfile.GNUTYPE_SPARSE:
            raise ArchiveError(f"{_quote(self.name)}: has more than {MAX_BYTES} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]  # the types leave it out

    def _check_header(self, archive: Any) -> None:
        spent = archive.spent
        spent.headers += self.size
        spent.members += 1
        if self.type == tarfile.XGLTYPE:
            spent.for_all += self.size
        most = MAX_HEADERS_BYTES + _USUAL_HEADER_BYTES * spent.members
        if (
            self.size > MAX_HEADER_BYTES
            or spent.headers > most
            or spent.for_all > MAX_GLOBAL_BYTES
            or spent.members > 2 * MAX_MEMBERS
        ):
            raise ArchiveError(
                f"what it tells of its files is too long: at most {MAX_HEADER_BYTES} bytes of "
                f"one, {MAX_GLOBAL_BYTES} of all, {MAX_HEADERS_BYTES} together"
            )

    def _refuse_sparse(self, *_arguments: object) -> NoReturn:
        raise ArchiveError("it holds a sparse file, which few programs can unpack")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


class _Archive(tarfile.TarFile):
    """Reads such headers."""

    tarinfo = _Member
    #: Members read so far; cleared regularly, otherwise all of them would stay in memory.
    members: list[tarfile.TarInfo]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.spent = _Spent()
        super().__init__(*arguments, **options)


class _Tree:
    """The names in an archive, as they will be placed in folders. Mutable."""

    def __init__(self) -> None:
        #: By path: whether it is a folder.
        self._is_folder: dict[str, bool] = {"": True}
        self._count = 0

    def add(self, member: tarfile.TarInfo) -> None:
        """Add a member.

        Raises:
            ArchiveError: it cannot be placed there.
        """
        self._count += 1
        if self._count > MAX_MEMBERS:
            raise ArchiveError(f"it holds more than {MAX_MEMBERS} files and folders")
        if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
            raise ArchiveError(f"{_quote(member.name)}: is not a file, folder or link")
        path = _path(member.name)
        if not path:
            if member.isdir() and member.name:
                return  # the folder itself, as `tar czf code.tar.gz .` names it
            raise ArchiveError(f"{_quote(member.name)}: a file needs a name")
        if member.issym() or member.islnk():
            at = posixpath.dirname(path) if member.issym() else ""
            _path(posixpath.join(at, member.linkname), f"{_quote(member.name)}: leads to ")
        self._place(path, member)

    def _place(self, path: str, member: tarfile.TarInfo) -> None:
        for end, letter in enumerate(path):
            if letter == "/" and not self._is_folder.setdefault(path[:end], True):
                raise ArchiveError(
                    f"{_quote(path[:end])}: stands for a file and for a folder of one name"
                )
        known = self._is_folder.get(path)
        if known is not None and not (known and member.isdir()):
            what = "stands for a file and for a folder of one name" if known else "is there twice"
            if not known and member.isdir():
                what = "stands for a file and for a folder of one name"
            raise ArchiveError(f"{_quote(path)}: {what}")
        self._is_folder[path] = member.isdir()


def _path(name: str, before: str = "") -> str:
    """Return a name in normalized form.

    Raises:
        ArchiveError: it leads out of the archive, or is not valid on any file system.
    """
    path = posixpath.normpath(name) if name else ""
    parts = path.split("/")
    if path.startswith("/") or ".." in parts:
        raise ArchiveError(f"{before}{_quote(name)}: lies outside of the archive")
    if (
        len(path.encode(errors="surrogateescape")) > MAX_PATH_BYTES
        or max(len(part.encode(errors="surrogateescape")) for part in parts) > MAX_NAME_BYTES
        or len(parts) > MAX_DEPTH
    ):
        raise ArchiveError(
            f"{before}{_quote(name)}: at most {MAX_NAME_BYTES} bytes a name, {MAX_PATH_BYTES} a "
            f"path, {MAX_DEPTH} names in it"
        )
    if "\0" in path:
        raise ArchiveError(f"{before}{_quote(name)}: holds a byte that no name may have")
    return "" if path == "." else path


def _quote(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:79]}…")
