"""What a trial may leave below log root and checkpoint root: the table of issue 10.

A case is a kind of thing and a place where it stands. `plant` puts it there, in the way in which a
trial's own code could: by the path, whatever was there before.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: Of the sparse file, which takes no space on the disk.
SPARSE_BYTES = 3 << 30
#: How deep the JSON is nested: far beyond what a parser that calls itself can take.
JSON_DEPTH = 200_000
#: Files of a crowd; it takes seconds to make.
CROWD = 100_000


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where a run of a study lies, and what must not be touched.

    Attributes:
        log_root, checkpoint_root: of the service.
        run_dir: of the run, below the log root: "project/study/trial_00001-…".
        checkpoint_dir: of its trial, below the checkpoint root.
        guard: a folder outside of both, to which links lead (`tests/support/hostile/guard.py`).
    """

    log_root: Path
    checkpoint_root: Path
    run_dir: str
    checkpoint_dir: str
    guard: Path

    @property
    def run(self) -> Path:
        """The folder of the run."""
        return self.log_root / self.run_dir

    @property
    def checkpoints(self) -> Path:
        """The folder of the trial's checkpoints."""
        return self.checkpoint_root / self.checkpoint_dir


#: Files, by what people call their place.
FILES: dict[str, Callable[[Ground], Path]] = {
    "trial.json": lambda ground: ground.run / "trial.json",
    "config.json": lambda ground: ground.run / "config.json",
    "events": lambda ground: ground.run / "events.out.tfevents.1795871478.host.1.0",
    "output.log": lambda ground: ground.run / "output.log",
    "output.log.1": lambda ground: ground.run / "output.log.1",
    "output.log.gone": lambda ground: ground.run / "output.log.gone",
    "_study events": lambda ground: ground.run.parent / "_study/events.out.tfevents.17.host.1.0",
    "checkpoint file": lambda ground: ground.checkpoints / "epoch-00001.weights.h5",
    "checkpoint curve": lambda ground: ground.checkpoints / "epoch-00001.curve.json",
}
FOLDERS: dict[str, Callable[[Ground], Path]] = {
    "run": lambda ground: ground.run,
    "study": lambda ground: ground.run.parent,
    "_study": lambda ground: ground.run.parent / "_study",
    "project": lambda ground: ground.run.parent.parent,
    "checkpoint folder": lambda ground: ground.checkpoints,
    "checkpoints of the study": lambda ground: ground.checkpoints.parent,
}
PLACES = {**FILES, **FOLDERS}


def _socket(path: Path, _ground: Ground) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # A path of any length: the name of a socket has 107 bytes at most.
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def _device(path: Path, _ground: Ground) -> None:
    """Make the endless device `zero`; only root may, and not in every container."""
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))


def _sparse(path: Path, _ground: Ground) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE_BYTES)


#: What takes the place of a file or of a folder. A link leads to something of the same name.
_INSTEAD: dict[str, Callable[[Path, Ground], None]] = {
    "pipe": lambda path, _: os.mkfifo(path),
    "socket": _socket,
    "link to a file": lambda path, ground: path.symlink_to(_like(path, ground)),
    "link to a folder": lambda path, ground: path.symlink_to(ground.guard),
    "link to nothing": lambda path, ground: path.symlink_to(ground.guard / "nothing"),
    "link to a device": lambda path, _: path.symlink_to("/dev/zero"),
    "loop": lambda path, _: path.symlink_to(path.name),
    "hard link": lambda path, ground: os.link(_like(path, ground), path),
    "device": _device,
    "sparse file": _sparse,
    "deep JSON": lambda path, _: _write(path, "[" * JSON_DEPTH),
}
FILE_KINDS: dict[str, Callable[[Path, Ground], None]] = {
    **_INSTEAD,
    "folder": lambda path, _: (path / "inner").mkdir(parents=True),
    "crowd": lambda path, _: plant_crowd(path.parent, path.name, CROWD),
}
FOLDER_KINDS: dict[str, Callable[[Path, Ground], None]] = {
    **_INSTEAD,
    "file": lambda path, _: _write(path, "a file"),
    "crowd": lambda path, _: plant_crowd(path, "events.out.tfevents.", CROWD),
    "renamed": lambda path, _: _rename(path),
    "removed": lambda path, _: _clear(path),
}

#: All cases: (kind, place).
CASES: tuple[tuple[str, str], ...] = tuple(
    [(kind, place) for place in FILES for kind in FILE_KINDS]
    + [(kind, place) for place in FOLDERS for kind in FOLDER_KINDS]
)


def plant(kind: str, place: str, ground: Ground) -> Path:
    """Plant one thing; return where.

    Args:
        kind: of `FILE_KINDS` or `FOLDER_KINDS`, as `CASES` pairs them.
        place: of `PLACES`.
        ground: whose.

    Raises:
        PermissionError: a device, and this process may make none.
    """
    path = PLACES[place](ground)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind not in ("crowd", "renamed", "removed"):
        _clear(path)
    (FILE_KINDS if place in FILES else FOLDER_KINDS)[kind](path, ground)
    return path


def plant_crowd(folder: Path, name: str, number: int) -> None:
    """Fill a folder with empty files whose names begin with `name`."""
    folder.mkdir(parents=True, exist_ok=True)
    at = os.open(folder, os.O_RDONLY)
    try:
        for index in range(number):
            os.close(os.open(f"{name}{index}", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=at))
    finally:
        os.close(at)


def _like(path: Path, ground: Ground) -> Path:
    """Return a guarded file of the same name, or another one."""
    like = ground.guard / path.name
    return like if like.is_file() else ground.guard / "precious.txt"


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _rename(path: Path) -> None:
    if not os.path.lexists(path):
        path.mkdir()
    path.rename(path.with_name(f"{path.name}-moved-{os.urandom(4).hex()}"))


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
