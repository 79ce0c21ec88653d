"""The environment variables by which each backend takes the worker's device, and no more of it.

Which GPU is seen, `CUDA_VISIBLE_DEVICES` says to all three. What is set here is a default: a
variable that the user has set stays.
"""

from __future__ import annotations

from collections.abc import MutableMapping

from tuner.protocol import Device

_SETTINGS: dict[Device, dict[str, str]] = {
    # A JAX with CUDA complains in every trial that it is shown no GPU.
    "cpu": {"JAX_PLATFORMS": "cpu"},
    "gpu": {
        # Named, so that a JAX that cannot use the GPU says so; it would train on the processor.
        "JAX_PLATFORMS": "cuda,cpu",
        # Both take nearly the whole memory at their start, whatever they need: beside a second
        # library in the same trial, or a TensorBoard on the same GPU, one of them fails. PyTorch
        # takes memory as it needs it.
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    },
}


def take_device(kind: Device, environ: MutableMapping[str, str]) -> None:
    """Set what trials on this kind of device compute by, before any backend is imported."""
    for name, value in _SETTINGS[kind].items():
        environ.setdefault(name, value)
