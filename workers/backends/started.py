"""Whether a backend has begun to compute in this process, by what it says of itself.

Nothing is imported, and nothing is started by asking. The names that are no part of a library's
public face are looked for softly: a release without them says nothing, and the number of threads
still speaks.
"""

from __future__ import annotations

import sys
from typing import Any


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
