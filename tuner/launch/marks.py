"""The marks of the roots, by which workers elsewhere tell that they see the same folders."""

from __future__ import annotations

from pathlib import Path

from tuner.errors import SetupError
from tuner.roots import CHECKPOINT_ROOT_MARK, LOG_ROOT_MARK, Place, mark_root, read_mark


def mark_roots(log_root: Path, checkpoint_root: Path, *, make: bool) -> dict[str, str]:
    """Return the variables that name the marks to a worker.

    Args:
        make: make roots and marks that are missing; else what has none is left out.

    Raises:
        SetupError: a root cannot be made, marked or read here.
    """
    found: dict[str, str] = {}
    for name, root, variable in (
        ("LOG_ROOT", log_root, LOG_ROOT_MARK),
        ("CHECKPOINT_ROOT", checkpoint_root, CHECKPOINT_ROOT_MARK),
    ):
        if not make and not Place(root).exists():
            continue
        try:
            mark = mark_root(root) if make else read_mark(root)
        except OSError as exc:
            raise SetupError(
                f"TUNER_{name}={root}: cannot be used here: {exc.strerror or exc}; name a "
                f"folder that this machine and all nodes share, and that you may write"
            ) from exc
        if mark is not None:
            found[variable] = mark
    return found
