"""Whether this host sees the same log root and checkpoint root that a worker was launched for."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

from tuner.errors import SetupError
from tuner.roots import CHECKPOINT_ROOT_MARK, LOG_ROOT_MARK, MARK_FILE, read_mark


def require_shared_roots(environ: Mapping[str, str], log_root: Path, checkpoint_root: Path) -> None:
    """Check that both roots have the marks in the environment; without such, do nothing.

    Raises:
        SetupError: a root does not exist, or is another folder of the same name.
    """
    for name, root, variable in (
        ("LOG_ROOT", log_root, LOG_ROOT_MARK),
        ("CHECKPOINT_ROOT", checkpoint_root, CHECKPOINT_ROOT_MARK),
    ):
        wanted = environ.get(variable)
        problem = _problem(root, wanted) if wanted else ""
        if problem:
            raise SetupError(
                f"TUNER_{name}={root}: {problem} on {socket.gethostname()}: this host does not see "
                f"the folder that its workers were launched for; mount it here under that path, "
                f"or launch them with a folder that all hosts share"
            )


def _problem(root: Path, wanted: str) -> str:
    """Return what is wrong with a root, empty if it is the one that was marked."""
    try:
        found = read_mark(root)
    except FileNotFoundError:
        return "is missing"
    except OSError as exc:
        return f"cannot be read ({exc.strerror})"
    if found is None:
        return f"has no {MARK_FILE}"
    return "" if found == wanted else f"has another {MARK_FILE}"
