"""Whether this process may still be forked."""

from __future__ import annotations

import sys
from typing import Any

from workers.host.linux import thread_count


class ForkGuard:
    """Refuses to fork a process in which a backend has run anything since the guard was made.

    The first operation of TensorFlow, JAX or PyTorch starts threads, and a forked process hangs
    forever when it needs them (measured for each: `fit` in a child whose parent had multiplied two
    matrices). So more threads than at the start mean: no fork. The libraries' own state counts as
    well: a device that was opened, whose driver a forked process cannot use.
    """

    def __init__(self) -> None:
        self.baseline = thread_count()

    def problem(self) -> str:
        """Return why this process must not be forked, empty if it may be."""
        if reason := started():
            return reason
        count = thread_count()
        return "" if count <= self.baseline else f"it has {count} threads, not {self.baseline}"


def started() -> str:
    """Return what has been started, in words; empty if nothing was."""
    if _says(_attribute("torch", "cuda"), "is_initialized"):
        return "PyTorch has opened a GPU"
    if _says(sys.modules.get("jax._src.xla_bridge"), "backends_are_initialized"):
        return "JAX has opened its devices"
    if getattr(_attribute("tensorflow.python.eager.context", "_context"), "_initialized", False):
        return "TensorFlow has run an operation"
    return ""


def _attribute(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, None)


def _says(owner: Any, name: str) -> bool:
    question = getattr(owner, name, None)
    return callable(question) and bool(question())
