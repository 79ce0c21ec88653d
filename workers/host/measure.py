"""Measures what is installed here: one hash that changes with the code that runs trials.

`python -m workers measure` prints it. The build of an image writes it into the image's facts, a
worker measures again when it starts, and the server compares (docs/tokens.md).

Covered are, for everything below the environment of this Python, the names and sizes of all files,
and the content of code and of files that say how a package was installed (`_READ`); the same for
the standard library; and the packages `tuner` and `workers`, from where they are actually imported.
Not covered are compiled copies (`__pycache__`), the content of libraries and data of the same size,
what `PYTHONPATH` adds, the interpreter, the system and the driver. The image's digest covers those.

Reading every byte of two gigabytes would take each worker 10 s or more at its start, and would find
little more: a replaced package has another `RECORD`, which contains the hash of each file.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import stat
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Files whose content counts: code, paths that Python adds, and what pip writes about a package.
_READ = (".py", ".pth", "/RECORD", "/METADATA", "/entry_points.txt", "/direct_url.json")
#: Never measured: written by whoever runs the code.
_CACHE = "__pycache__"
#: Parts of the system's Python that this environment does not see.
_UNSEEN = ("python/site-packages", "python/dist-packages")
#: Maximum size of a file whose content counts, in bytes: no source is as large, and its size counts
#: in any case.
_MAX_READ = 4 << 20
#: Maximum number of files below one folder; an environment with TensorFlow and CUDA has 40 000.
MAX_FILES = 1_000_000


class MeasureError(Exception):
    """What is installed cannot be measured; the text says why."""


@dataclass(kw_only=True)
class Measurement:
    """The measurement. Mutable while it is made.

    Attributes:
        covers: the folders, by their names in the hash.
        size: of all files, in bytes.
        read: of those whose content counts, in bytes.
    """

    covers: dict[str, str] = field(default_factory=dict)
    count: int = 0
    size: int = 0
    read: int = 0
    _hash: Any = field(default_factory=hashlib.sha256, repr=False)

    @property
    def files(self) -> str:
        """The hash, 64 hexadecimal digits."""
        return str(self._hash.hexdigest())

    def to_json(self) -> dict[str, Any]:
        """Return what `python -m workers measure --json` prints."""
        return {
            "files": self.files,
            "python": ".".join(map(str, sys.version_info[:3])),
            "covers": {
                "folders": self.covers,
                "count": self.count,
                "bytes": self.size,
                "bytes_read": self.read,
            },
        }

    def add(self, name: str, folder: Path) -> None:
        """Add a folder.

        Args:
            name: its name in the hash, wherever it is.
            folder: to be measured with everything below it.

        Raises:
            MeasureError: it cannot be read, or holds too much.
        """
        self.covers[name] = str(folder)
        count = self.count
        try:
            for path, found in _walk(folder, name):
                self._take(path, found)
                if self.count - count > MAX_FILES:
                    raise MeasureError(f"{folder}: more than {MAX_FILES} files")
        except OSError as exc:
            raise MeasureError(f"{exc.filename or folder}: {exc.strerror}") from exc

    def _take(self, path: str, entry: os.DirEntry[str]) -> None:
        """Add a file: its name, kind, size, and perhaps its content."""
        found = entry.stat(follow_symlinks=False)
        is_file = stat.S_ISREG(found.st_mode)
        size = found.st_size if is_file else 0
        target = str(Path(entry.path).readlink()) if entry.is_symlink() else ""
        kind = stat.S_IFMT(found.st_mode)
        # Each part ends with a NUL, which no name can contain: no two trees look alike.
        self._hash.update(
            f"{path}\0{kind:o}\0{size}\0{target}\0".encode("utf-8", "surrogateescape")
        )
        self.count += 1
        self.size += size
        if is_file and size <= _MAX_READ and path.endswith(_READ):
            self._hash.update(hashlib.sha256(_content(entry.path)).digest())
            self.read += size


def measure() -> Measurement:
    """Measure what is installed in the environment of this Python.

    Raises:
        MeasureError: a part of it cannot be read.
    """
    measured = Measurement()
    folders = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    for number, folder in enumerate(sorted(folders)):
        measured.add(f"packages{number or ''}", folder)
    measured.add("python", Path(sysconfig.get_path("stdlib")))
    for package in ("tuner", "workers"):
        measured.add(package, _folder(package))
    return measured


def _folder(package: str) -> Path:
    """Return where a package is imported from.

    Raises:
        MeasureError: it does not exist as files.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MeasureError(f"the package {package} is not there as files")
    return Path(spec.origin).parent


def _walk(folder: Path, name: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield what is below a folder, with its name in the hash, in a deterministic order.

    A link to a folder is not followed: it counts as a link.
    """
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = f"{name}/{entry.name}"
        if entry.name == _CACHE or path in _UNSEEN or path.endswith(".pyc"):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), path)
        else:
            yield path, entry


def _content(path: str) -> bytes:
    """Return the content of a file, at most `_MAX_READ` bytes of it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file:
        return file.read(_MAX_READ)
