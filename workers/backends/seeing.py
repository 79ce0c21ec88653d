"""Whether what Keras computes with sees the GPUs of the trial: else it trains on the processor.

The driver may answer and the library still find nothing: a cuDNN that is too old, CUDA libraries
that are not on its path. TensorFlow and PyTorch then go on without a word.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from workers.caused import CausedError


def require_gpus(backend: str, devices: Sequence[str]) -> None:
    """Refuse to train with a backend that sees fewer GPUs than the trial owns.

    Args:
        backend: what Keras computes with; it is imported. One that nobody knows is not looked at.
        devices: UUIDs of the GPUs that the trial owns; empty: it trains on the processor.

    Raises:
        CausedError: "rejected": another worker may see them.
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
