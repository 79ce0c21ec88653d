"""Versions of Keras' backends and how they were built, for `config.json`."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Any

#: Distribution names by import name; the first installed one is used.
_PACKAGES = {
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-rocm"),
    "keras": ("keras",),
    "numpy": ("numpy",),
    "jax": ("jax",),
    "jaxlib": ("jaxlib",),
    "torch": ("torch",),
}
#: Packages that provide CUDA for JAX.
_JAX_CUDA = ("jax-cuda13-plugin", "jax-cuda12-plugin")


def library_versions() -> dict[str, str | None]:
    """Return the installed versions, by import name; None for what is not installed."""
    return {name: _first_version(names) for name, names in _PACKAGES.items()}


def build_facts() -> dict[str, Any]:
    """Return how the loaded backends were built, without running an operation."""
    facts: dict[str, Any] = {}
    if (tensorflow := sys.modules.get("tensorflow")) is not None:
        build = tensorflow.sysconfig.get_build_info()
        facts["tensorflow_git"] = tensorflow.version.GIT_VERSION
        facts["cuda"] = build.get("cuda_version")
        facts["cudnn"] = build.get("cudnn_version")
    if (torch := sys.modules.get("torch")) is not None:
        facts["torch_cuda"] = torch.version.cuda
    if (plugin := _first_version(_JAX_CUDA)) is not None:
        facts["jax_cuda_plugin"] = plugin
    return facts


def _first_version(distributions: tuple[str, ...]) -> str | None:
    for name in distributions:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
