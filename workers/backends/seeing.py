"""Checks that the backend of Keras sees the trial's GPUs: otherwise it would train on the CPU.

The driver may work while the library finds nothing: a cuDNN that is too old, CUDA libraries that
are not on its path. TensorFlow and PyTorch then continue silently.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from workers.caused import CausedError


def require_gpus(backend: str, devices: Sequence[str]) -> None:
    """Refuse to train with a backend that sees fewer GPUs than the trial owns.

    Args:
        backend: the backend of Keras, which is imported. An unknown one is not checked.
        devices: UUIDs of the GPUs that the trial owns; empty: it trains on the CPU.

    Raises:
        CausedError: "rejected", because another worker may see them.
    """
    library = sys.modules.get(backend)
    if not devices or library is None or backend not in _COUNTS:
        return
    name, count = _COUNTS[backend]
    found = count(library)
    if found < len(devices):
        owned = "1 GPU" if len(devices) == 1 else f"{len(devices)} GPUs"
        raise CausedError(
            "rejected",
            f"the trial owns {owned} ({', '.join(devices)}), and {name} finds "
            f"{found or 'none'} here: it would train on the processor. See whether the worker's "
            "CUDA libraries fit (docs/install.md)",
        )


def _tensorflow(library: Any) -> int:
    return len(library.config.list_physical_devices("GPU"))


def _torch(library: Any) -> int:
    return int(library.cuda.device_count())


def _jax(library: Any) -> int:
    return sum(device.platform == "gpu" for device in library.devices())


_COUNTS: dict[str, tuple[str, Callable[[Any], int]]] = {
    "tensorflow": ("TensorFlow", _tensorflow),
    "torch": ("PyTorch", _torch),
    "jax": ("JAX", _jax),
}
