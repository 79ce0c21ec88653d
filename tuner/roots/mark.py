"""A mark in a root, by which another host verifies that it sees the very same folder.

A worker creates a missing root. On a node that does not mount the shared file system it would
therefore write to the node's own disk: logs that nobody sees, checkpoints that no other node finds.
`tuner launch` marks both roots and passes the marks to the workers, which check them at start.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from tuner.roots.place import Place

#: File in the root; readable by everybody who may list the root.
MARK_FILE = ".tuner-root"
#: Variables that pass the marks of log root and checkpoint root to a worker.
LOG_ROOT_MARK, CHECKPOINT_ROOT_MARK = "TUNER_LOG_ROOT_MARK", "TUNER_CHECKPOINT_ROOT_MARK"

#: Maximum bytes read of a mark, more than it has.
_MOST_BYTES = 200
#: Seconds to wait, and between looks, while another command creates the mark.
_WAIT_S, _LOOK_S = 2.0, 0.02


def read_mark(root: Path) -> str | None:
    """Return the mark of a root; None if it has none.

    Raises:
        FileNotFoundError: the root is missing.
        OSError: the root or its mark cannot be read.
    """
    with Place(root).open() as folder:
        try:
            text = folder.read(MARK_FILE, _MOST_BYTES)
        except FileNotFoundError:
            return None
    return text.decode(errors="replace").strip()


def mark_root(root: Path) -> str:
    """Return the mark of a root; the mark and the root are created if missing.

    Raises:
        OSError: the root or the mark cannot be created or read.
    """
    deadline = time.monotonic() + _WAIT_S
    with Place(root).open(make=True) as folder:
        try:
            fd = folder.create(MARK_FILE)
        except FileExistsError:
            while not (mark := read_mark(root)) and time.monotonic() < deadline:
                time.sleep(_LOOK_S)
            if mark:
                return mark
            # Left by a command that was killed between creating and writing it.
            folder.remove(MARK_FILE)
            fd = folder.create(MARK_FILE)
        mark = secrets.token_hex(16)
        with os.fdopen(fd, "wb", 0) as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(f"{mark}\n".encode())
    return mark
