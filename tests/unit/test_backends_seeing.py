"""A trial that owns GPUs is not trained on the processor because Keras' backend sees none."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from workers.backends.seeing import require_gpus
from workers.caused import CausedError


def library(name: str, found: int) -> Any:
    """Return what a backend says of its devices, as the library itself would."""
    devices = [SimpleNamespace(platform="gpu")] * found
    return {
        "tensorflow": SimpleNamespace(
            config=SimpleNamespace(list_physical_devices=lambda _kind: devices)
        ),
        "torch": SimpleNamespace(cuda=SimpleNamespace(device_count=lambda: found)),
        "jax": SimpleNamespace(devices=lambda: [*devices, SimpleNamespace(platform="cpu")]),
    }[name]


@pytest.mark.parametrize("backend", ["tensorflow", "torch", "jax"])
def test_a_backend_that_sees_too_few_is_refused(
    monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    for found, devices in ((0, ["GPU-1"]), (1, ["GPU-1", "GPU-2"])):
        monkeypatch.setitem(sys.modules, backend, library(backend, found))
        with pytest.raises(CausedError, match="it would train on the processor") as refused:
            require_gpus(backend, devices)
        assert refused.value.cause == "rejected"
        assert ", ".join(devices) in str(refused.value)


@pytest.mark.parametrize("backend", ["tensorflow", "torch", "jax"])
def test_a_backend_that_sees_them_all_or_needs_none_is_let_be(
    monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setitem(sys.modules, backend, library(backend, 2))
    require_gpus(backend, ["GPU-1", "GPU-2"])
    monkeypatch.setitem(sys.modules, backend, library(backend, 0))
    require_gpus(backend, [])
    monkeypatch.delitem(sys.modules, backend)
    require_gpus(backend, ["GPU-1"])
    require_gpus("numpy", ["GPU-1"])
