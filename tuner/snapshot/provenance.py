"""Where code and data came from: a fingerprint of the data files, the folder's git commit."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypedDict

from tuner.errors import SpecError


class GitState(TypedDict):
    """The commit that a folder is at, and whether files in it differ from that commit."""

    commit: str
    dirty: bool


def fingerprint_data(folder: Path, paths: Iterable[str]) -> str | None:
    """Return one SHA-256 over names and contents of the data files, None if no path is given.

    Args:
        folder: base of relative paths.
        paths: files, or folders that are read completely.

    Raises:
        SpecError: a path does not exist or cannot be read.
    """
    names = list(paths)
    if not names:
        return None
    digest = hashlib.sha256()
    for name in names:
        for label, path in _files(folder, name):
            content = _hash_file(path)
            digest.update(f"{label}\0{path.stat().st_size}\0{content}\n".encode())
    return digest.hexdigest()


def read_git(folder: Path) -> GitState | None:
    """Return the git state of `folder`, None if it is in no repository or git is missing."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changes = _git(folder, "status", "--porcelain", "--", ".")
    return {"commit": commit, "dirty": changes is None or bool(changes)}


def _files(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    path = folder / Path(name).expanduser()
    if path.is_file():
        yield name, path
    elif path.is_dir():
        for inner in sorted(path.rglob("*")):
            if inner.is_file():
                yield f"{name}/{inner.relative_to(path).as_posix()}", inner
    else:
        raise SpecError(f"data.paths: {name!r}: there is no such file or folder ({path})")


def _hash_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise SpecError(f"data.paths: {path}: cannot be read: {exc.strerror}") from exc


def _git(folder: Path, *args: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *args],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
