"""Whether this process may still be forked."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from typing import Any

from workers.host.linux import thread_count

logger = logging.getLogger(__name__)


def preimport_numpy() -> None:
    """Import numpy: every seeded trial needs it, and the import takes longer than a short trial."""
    if importlib.util.find_spec("numpy") is not None:
        # numpy loads this part on first use.
        importlib.import_module("numpy.random")


class ForkGuard:
    """Refuses to fork a process in which a backend has run anything since the guard was made.

    The first operation of TensorFlow, JAX or PyTorch starts threads, and a forked process hangs
    forever when it needs them (measured for each: `fit` in a child whose parent had multiplied two
    matrices). So more threads than at the start mean: no fork. The libraries' own state counts as
    well: a device that was opened, whose driver a forked process cannot use.
    """

    def __init__(self) -> None:
        self.baseline = thread_count()

    def may_fork(self) -> bool:
        """Return whether no thread was added and no backend has started."""
        count = thread_count()
        reason = started()
        if count <= self.baseline and reason is None:
            return True
        logger.warning(
            "the trial gets a fresh interpreter instead of a fork of this process",
            extra={
                "reason": reason or "it has grown threads",
                "threads": count,
                "baseline": self.baseline,
            },
        )
        return False


def started() -> str | None:
    """Return what has been started, in words; None when nothing was."""
    if _says(_attribute("torch", "cuda"), "is_initialized"):
        return "PyTorch has opened a GPU"
    if _says(sys.modules.get("jax._src.xla_bridge"), "backends_are_initialized"):
        return "JAX has opened its devices"
    if getattr(_attribute("tensorflow.python.eager.context", "_context"), "_initialized", False):
        return "TensorFlow has run an operation"
    return None


def _attribute(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, None)


def _says(owner: Any, name: str) -> bool:
    question = getattr(owner, name, None)
    return callable(question) and bool(question())
