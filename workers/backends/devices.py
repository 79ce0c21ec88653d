"""Environment variables that restrict each backend to the worker's device.

`CUDA_VISIBLE_DEVICES` tells all three which GPUs are visible. The values set here are defaults: a
variable that the user has set is unchanged.
"""

from __future__ import annotations

from collections.abc import MutableMapping

from tuner.protocol import Device
from tuner.runtime.system import is_installed

#: By default TensorFlow and JAX allocate nearly the whole memory of a GPU at their start, whatever
#: they need: next to a second library in the same trial, or a TensorBoard on the same GPU, one of
#: them fails. PyTorch allocates memory on demand.
_MEMORY = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
#: Modules that provide CUDA for JAX.
_JAX_CUDA = ("jax_cuda13_plugin", "jax_cuda12_plugin")


def take_device(kind: Device, environ: MutableMapping[str, str], backend: str | None) -> None:
    """Set the variables for trials on this kind of device, before any backend is imported.

    Args:
        kind: of the worker's device.
        environ: is modified.
        backend: the backend of Keras.
    """
    if kind == "gpu":
        for name, value in _MEMORY.items():
            environ.setdefault(name, value)
    has_cuda = any(map(is_installed, _JAX_CUDA))
    if kind == "gpu" and (has_cuda or backend == "jax"):
        # JAX fails loudly if a named platform is unavailable; otherwise it would train on the CPU.
        # A JAX without CUDA that is not the backend is left alone: it is intended that way.
        environ.setdefault("JAX_PLATFORMS", "cuda,cpu")
    if kind == "cpu" and has_cuda:
        # It would otherwise complain in every trial that it sees no GPU.
        environ.setdefault("JAX_PLATFORMS", "cpu")
