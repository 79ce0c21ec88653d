"""The archive of a study's code: the same files give the same bytes, on every machine."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import SpecError
from tuner.snapshot.ignore import IGNORE_FILE, IgnoreRules, load_rules

#: Code is small; what is larger is data, which belongs beside the code (`data.paths` in the spec).
MAX_BYTES = 16 * 1024 * 1024
MAX_FILES = 5000

#: A trial imports these from the installation; a module of the user would hide them.
RESERVED = ("tuner", "workers")

_MODULE_SUFFIXES = (".py", ".pyc", ".so")
_SPEC_SUFFIXES = (".yaml", ".yml", ".json")
_SPEC_KEYS = tuple(
    re.compile(rf"""^[\s{{]*["']?{key}["']?\s*:""", re.M)
    for key in ("project", "study", "search_space")
)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The code of a study: `data` is a tar.gz, `sha256` its name everywhere."""

    sha256: str
    data: bytes
    files: tuple[str, ...]

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

    Left out are what the ignore file names, study specs (a changed budget is not changed code) and
    `leave_out` (the home, the log root and the checkpoint root, when they lie inside).

    Raises:
        SpecError: a link leads out of the folder, the folder is too large or cannot be read, or it
            holds a top-level module called `tuner` or `workers`.
    """
    root = folder.resolve()
    hidden = {path.resolve() for path in leave_out} - {root}
    rules = load_rules(root)
    paths = sorted(_walk(root, root, rules, hidden), key=lambda path: path.relative_to(root).parts)
    _refuse_reserved(root, paths)
    _refuse_size(root, paths, max_bytes)
    data = _gzip(_tar(root, paths))
    return Snapshot(
        sha256=hashlib.sha256(data).hexdigest(),
        data=data,
        files=tuple(path.relative_to(root).as_posix() for path in paths),
    )


def unpack(snapshot: Snapshot, folder: Path) -> None:
    """Unpack the snapshot into an existing folder."""
    with tarfile.open(fileobj=io.BytesIO(snapshot.data), mode="r:gz") as archive:
        archive.extractall(folder, filter="data")


def _walk(root: Path, folder: Path, rules: IgnoreRules, hidden: set[Path]) -> Iterator[Path]:
    try:
        entries = list(folder.iterdir())
    except OSError as exc:
        raise SpecError(f"{folder}: cannot be read for the code snapshot: {exc.strerror}") from exc
    for path in entries:
        is_folder = path.is_dir() and not path.is_symlink()
        name = path.relative_to(root).as_posix()
        if path in hidden or rules.is_ignored(name, folder=is_folder):
            continue
        if is_folder:
            yield from _walk(root, path, rules, hidden)
        elif path.is_symlink():
            if _is_inside(root, path):
                yield path
        elif stat.S_ISREG(path.lstat().st_mode) and not _is_spec(path):
            yield path


def _is_inside(root: Path, link: Path) -> bool:
    """Return whether a link has a target; one that leads out of the folder is refused."""
    target = link.resolve()
    if not target.is_relative_to(root):
        raise SpecError(
            f"{link}: leads out of the spec's folder, to {target}; code is taken from {root} only. "
            f"Copy the file there, or name the link in {IGNORE_FILE}"
        )
    return target.exists()


def _is_spec(path: Path) -> bool:
    if path.suffix not in _SPEC_SUFFIXES:
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return all(pattern.search(text) for pattern in _SPEC_KEYS)


def _refuse_reserved(root: Path, paths: Iterable[Path]) -> None:
    for path in paths:
        first, *rest = path.relative_to(root).parts
        if first.split(".")[0] in RESERVED and path.name.endswith(_MODULE_SUFFIXES):
            module = first.split(".")[0]
            raise SpecError(
                f"{root / first if rest else path}: a module called {module!r} would hide the "
                f"installed package of that name in every trial; rename it, move the spec into a "
                f"folder of its own, or name it in {IGNORE_FILE}"
            )


def _refuse_size(root: Path, paths: list[Path], max_bytes: int) -> None:
    sizes = sorted(((path.lstat().st_size, path) for path in paths), reverse=True)
    total = sum(size for size, _ in sizes)
    if total <= max_bytes and len(paths) <= MAX_FILES:
        return
    largest = "\n".join(
        f"  {_megabytes(size):>9}  {path.relative_to(root).as_posix()}" for size, path in sizes[:8]
    )
    raise SpecError(
        f"{root}: {len(paths)} files of {_megabytes(total)} are too much for a code snapshot "
        f"(at most {MAX_FILES} files, {_megabytes(max_bytes)}). The largest:\n{largest}\n"
        f"Name what is not code in {root / IGNORE_FILE} (written like a .gitignore), "
        f"or keep the spec and its code in a folder of their own"
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


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
            data = _read(path)
            info.size = len(data)
            info.mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise SpecError(f"{path}: cannot be read for the code snapshot: {exc.strerror}") from exc


def _gzip(data: bytes) -> bytes:
    """Return `data` as gzip of stored blocks.

    Compressed bytes depend on the zlib that made them, and with them the snapshot's name would:
    the same code submitted from two machines would be two studies.
    """
    blocks = [data[at : at + 0xFFFF] for at in range(0, len(data), 0xFFFF)] or [b""]
    out = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    for number, block in enumerate(blocks, start=1):
        out.append(struct.pack("<BHH", number == len(blocks), len(block), len(block) ^ 0xFFFF))
        out.append(block)
    out.append(struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF))
    return b"".join(out)
