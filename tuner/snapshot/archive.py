"""The archive of a study's code: the same files give the same bytes on every machine."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tuner.snapshot.folder import MAX_BYTES, read_file, take_files
from tuner.snapshot.outputs import describe_left_out


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The code of a study: `data` is a tar.gz, `sha256` identifies it everywhere."""

    sha256: str
    data: bytes
    files: tuple[str, ...]
    #: A sentence about outputs and large files that were left out; empty if none were.
    left_out: str = ""

    @property
    def size_bytes(self) -> int:
        """Size of the archive."""
        return len(self.data)


def make_snapshot(
    folder: Path,
    *,
    leave_out: Iterable[Path] = (),
    max_bytes: int = MAX_BYTES,
) -> Snapshot:
    """Return the snapshot of `folder`.

    It leaves out what the ignore file names, study specs (a changed budget is not changed code),
    outputs (`tuner.snapshot.outputs`) and `leave_out` (the home, the log root and the checkpoint
    root, if they lie inside).

    Raises:
        SpecError: a link leads out of the folder, the folder is too large or cannot be read, or it
            contains a top-level module called `tuner` or `workers`.
    """
    root = folder.resolve()
    taken = take_files(root, leave_out, max_bytes)
    data = _gzip(_tar(root, taken.paths))
    files = tuple(path.relative_to(root).as_posix() for path in taken.paths)
    return Snapshot(
        sha256=hashlib.sha256(data).hexdigest(),
        data=data,
        files=files,
        left_out=describe_left_out(taken.left_out, files),
    )


def unpack(snapshot: Snapshot, folder: Path) -> None:
    """Unpack the snapshot, which was made here, into an existing folder."""
    with tarfile.open(fileobj=io.BytesIO(snapshot.data), mode="r:gz") as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(folder, filter="data")
        else:  # Python 3.11.2 of Debian 12 has no filters
            archive.extractall(folder)  # noqa: S202 - of our own making  # nosec B202  # of our own making


def _tar(root: Path, paths: Iterable[Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in paths:
            # Times, owners and most mode bits are left at zero: they differ between two clones.
            info = tarfile.TarInfo(path.relative_to(root).as_posix())
            if path.is_symlink():
                info.type = tarfile.SYMTYPE
                info.linkname = os.path.relpath(path.resolve(), path.parent)
                archive.addfile(info)
                continue
            data = read_file(path)
            info.size = len(data)
            info.mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _gzip(data: bytes) -> bytes:
    """Return `data` as gzip of stored blocks.

    The bytes of compressed data depend on the zlib version, and the snapshot's hash would too: the
    same code submitted from two machines would be two studies.
    """
    blocks = [data[at : at + 0xFFFF] for at in range(0, len(data), 0xFFFF)] or [b""]
    out = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    for number, block in enumerate(blocks, start=1):
        out.append(struct.pack("<BHH", number == len(blocks), len(block), len(block) ^ 0xFFFF))
        out.append(block)
    out.append(struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF))
    return b"".join(out)
