"""The files in a stored snapshot, read in memory. Whoever may submit may have sent anything."""

from __future__ import annotations

import gzip
import io
import posixpath
import tarfile
import zlib

from tuner.archives import check_archive

#: Unpacked; a snapshot of ours holds at most an eighth of it.
MAX_UNPACKED_BYTES = 128 << 20
#: Ours hold at most 5000.
MAX_MEMBERS = 20_000
#: Files that are reached through links to folders.
_MAX_LINKED = 10_000


def read_contents(data: bytes) -> dict[str, bytes] | None:
    """Return content by path, links as what they lead to; None when it is no snapshot.

    Args:
        data: a tar.gz.
    """
    try:
        # It may have been stored by a release that did not look.
        check_archive(data)
        with gzip.open(io.BytesIO(data)) as file:
            plain = file.read(MAX_UNPACKED_BYTES + 1)
        if len(plain) > MAX_UNPACKED_BYTES:
            return None
        return _read_tar(plain)
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError):
        return None


def _read_tar(plain: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
        for number, member in enumerate(archive):
            if number >= MAX_MEMBERS:
                raise ValueError("too many files")
            name = posixpath.normpath(member.name)
            if name == ".." or name.startswith(("/", "../")):
                raise ValueError("outside of the folder")
            if member.issym():
                folder = posixpath.dirname(name)
                links[name] = posixpath.normpath(posixpath.join(folder, member.linkname))
            elif (content := archive.extractfile(member)) is not None:
                files[name] = content.read()
    return {**_follow(links, files), **files}


def _follow(links: dict[str, str], files: dict[str, bytes]) -> dict[str, bytes]:
    """Return what links lead to, by the paths that lead there; links to links lead nowhere."""
    inside: dict[str, list[str]] = {}
    if links:
        for path in files:
            folder = posixpath.dirname(path)
            while folder:
                inside.setdefault(folder, []).append(path)
                folder = posixpath.dirname(folder)
    linked: dict[str, bytes] = {}
    for name, target in links.items():
        if target in files:
            linked[name] = files[target]
        for path in inside.get(target, ())[: _MAX_LINKED - len(linked)]:
            linked[name + path[len(target) :]] = files[path]
    return linked
