"""A small computation on the worker's devices, with each backend: does it work at all?"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator

_SIDE = 64


class ProbeError(Exception):
    """The backend does not compute correctly here; the text says why."""


def probe_backend(name: str, gpus: int) -> None:
    """Multiply two matrices with a backend on each device; an unknown backend is not checked.

    Args:
        gpus: number of GPUs that the worker owns; 0: it uses the CPU.

    Raises:
        ProbeError: it does not find them, or multiplies incorrectly.
        Exception: whatever the library and the drivers below it raise.
    """
    multiply = _PROBES.get(name)
    if multiply is None:
        return
    for device, total in multiply(gpus):
        if total != float(_SIDE**3):
            raise ProbeError(
                f"{name} multiplies two matrices on {device} to {total}, not {_SIDE**3}"
            )


def _require(library: str, found: int, gpus: int) -> None:
    if gpus and not found:
        raise ProbeError(f"{library} finds no GPU: it would train on the processor")
    if found < gpus:
        raise ProbeError(f"{library} finds {found} of this worker's {gpus} GPUs")


def _tensorflow(gpus: int) -> Iterator[tuple[str, float]]:
    tf = importlib.import_module("tensorflow")
    devices = tf.config.list_physical_devices("GPU")
    _require("TensorFlow", len(devices), gpus)
    for device in devices:
        # Otherwise it allocates nearly all memory of the device, for a moment and for nothing.
        tf.config.experimental.set_memory_growth(device, True)
    for name in [f"/GPU:{number}" for number in range(gpus)] or ["/CPU:0"]:
        with tf.device(name):
            ones = tf.ones((_SIDE, _SIDE))
            yield name, float(tf.reduce_sum(tf.matmul(ones, ones)))


def _jax(gpus: int) -> Iterator[tuple[str, float]]:
    jax = importlib.import_module("jax")
    found = [device for device in jax.devices() if device.platform == "gpu"]
    _require("JAX", len(found), gpus)
    for device in found[:gpus] or jax.devices("cpu")[:1]:
        ones = jax.device_put(jax.numpy.ones((_SIDE, _SIDE)), device)
        yield str(device), float((ones @ ones).sum())


def _torch(gpus: int) -> Iterator[tuple[str, float]]:
    torch = importlib.import_module("torch")
    _require("PyTorch", torch.cuda.device_count() if gpus else 0, gpus)
    for name in [f"cuda:{number}" for number in range(gpus)] or ["cpu"]:
        ones = torch.ones((_SIDE, _SIDE), device=name)
        yield name, float((ones @ ones).sum())


_PROBES: dict[str, Callable[[int], Iterator[tuple[str, float]]]] = {
    "tensorflow": _tensorflow,
    "jax": _jax,
    "torch": _torch,
}
