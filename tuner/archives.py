"""What the archive of a study's code may hold, looked at before anything of it is unpacked.

The server looks when an archive comes, a worker before it unpacks one: whoever may submit may send
anything. A few kilobytes of an archive can announce terabytes, headers that take minutes to parse,
or names that no file system takes.
"""

from __future__ import annotations

import gzip
import io
import posixpath
import tarfile
import zlib
from typing import IO, Any, NoReturn, cast

#: Unpacked: bytes of files, and how many files, folders and links.
MAX_BYTES = 1 << 30
MAX_MEMBERS = 100_000
#: Times the archive's own size, beyond a start that small archives have. Code shrinks to a fifth.
MAX_RATIO = 200
_FREE_BYTES = 32 << 20
#: Of a path in all, of each name in it, as file systems have them; and names above one another.
MAX_PATH_BYTES = 2048
MAX_NAME_BYTES = 255
MAX_DEPTH = 64
#: Of what stands before one file and tells of it, of what tells of all, and of all that together
#: (beside what a file usually has): its parts are taken to pieces one by one.
MAX_HEADER_BYTES = 64 << 10
MAX_GLOBAL_BYTES = 4 << 10
MAX_HEADERS_BYTES = 1 << 20
_USUAL_HEADER_BYTES = 512

_OF_ONE = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME)
_HEADERS = (*_OF_ONE, tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE)


class ArchiveError(ValueError):
    """An archive must not be unpacked; the text says what of it, and what is allowed."""


def check_archive(data: bytes) -> None:
    """See that an archive can be unpacked, on any host, into what it says.

    Args:
        data: a tar.gz.

    Raises:
        ArchiveError: it cannot, or it is too much.
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
    """A stream that ends with an error where it is longer than it may be."""

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
    """What the headers of one archive took. Mutable: it grows."""

    def __init__(self) -> None:
        self.headers = 0
        self.for_all = 0
        self.members = 0


class _Member(tarfile.TarInfo):
    """A header that is looked at before what it announces is read."""

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
    """A reader of such headers."""

    tarinfo = _Member
    #: What was read; to be cleared, or all of it is kept.
    members: list[tarfile.TarInfo]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.spent = _Spent()
        super().__init__(*arguments, **options)


class _Tree:
    """The names of an archive, as they will lie beside one another. Mutable: it grows."""

    def __init__(self) -> None:
        #: Whether it is a folder, by path.
        self._is_folder: dict[str, bool] = {"": True}
        self._count = 0

    def add(self, member: tarfile.TarInfo) -> None:
        """Take in one more.

        Raises:
            ArchiveError: it cannot lie there.
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
    """Return a name without what means nothing in it.

    Raises:
        ArchiveError: it leads out of the archive, or no file system has such names.
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
