"""Reads the files of a stored snapshot in memory: untrusted, whoever submitted them."""

from __future__ import annotations

import gzip
import io
import posixpath
import tarfile
import zlib

from tuner.archives import check_archive

#: Maximum unpacked size; a snapshot made by Tuner has at most an eighth of it.
MAX_UNPACKED_BYTES = 128 << 20
#: Maximum number of members; a snapshot made by Tuner has at most 5000.
MAX_MEMBERS = 20_000
#: Maximum number of files that are reached through links to folders.
_MAX_LINKED = 10_000


def read_contents(data: bytes) -> dict[str, bytes] | None:
    """Return content by path, with links resolved; None if it is not a snapshot.

    Args:
        data: a tar.gz.
    """
    try:
        # It may have been stored by a release that did not check.
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
    """Return the targets of links by the paths of the links; links to links are not followed."""
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
