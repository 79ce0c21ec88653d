"""The environment variables by which each backend takes the worker's device, and no more of it.

Which GPUs are seen, `CUDA_VISIBLE_DEVICES` says to all three. What is set here is a default: a
variable that the user has set stays.
"""

from __future__ import annotations

from collections.abc import MutableMapping

from tuner.protocol import Device
from tuner.runtime.system import is_installed

#: TensorFlow and JAX take nearly the whole memory of a GPU at their start, whatever they need:
#: beside a second library in the same trial, or a TensorBoard on the same GPU, one of them fails.
#: PyTorch takes memory as it needs it.
_MEMORY = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
#: What brings CUDA to JAX.
_JAX_CUDA = ("jax_cuda13_plugin", "jax_cuda12_plugin")


def take_device(kind: Device, environ: MutableMapping[str, str], backend: str | None) -> None:
    """Set what trials on this kind of device compute by, before any backend is imported.

    Args:
        kind: of the worker's device.
        environ: is changed.
        backend: what Keras computes with.
    """
    if kind == "gpu":
        for name, value in _MEMORY.items():
            environ.setdefault(name, value)
    has_cuda = any(map(is_installed, _JAX_CUDA))
    if kind == "gpu" and (has_cuda or backend == "jax"):
        # JAX fails loudly where a platform that is named cannot be had; otherwise it would train on
        # the processor. A JAX without CUDA that is no backend is left alone: it is wanted so.
        environ.setdefault("JAX_PLATFORMS", "cuda,cpu")
    if kind == "cpu" and has_cuda:
        # It would complain in every trial that it is shown no GPU.
        environ.setdefault("JAX_PLATFORMS", "cpu")
