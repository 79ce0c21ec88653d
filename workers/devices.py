"""The devices of this host: GPUs by UUID, through NVIDIA's management library."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


class DeviceError(Exception):
    """A GPU that was asked for is not there; the text lists those that are."""


def list_gpus() -> list[str]:
    """Return the UUIDs of the GPUs of this host; none where there is no driver."""
    with _library() as library:
        if library is None:
            return []
        return [
            _text(library.nvmlDeviceGetUUID(library.nvmlDeviceGetHandleByIndex(index)))
            for index in range(library.nvmlDeviceGetCount())
        ]


def check_gpu(uuid: str) -> None:
    """Make sure that a GPU answers.

    Raises:
        DeviceError: it does not: TensorFlow would train on the processor without a word.
    """
    known = list_gpus()
    # A MIG instance is not in the list of whole GPUs; the driver is asked when it is used.
    if uuid not in known and not uuid.startswith("MIG-"):
        raise DeviceError(f"GPU {uuid!r} is not on this host; it has: {', '.join(known) or 'none'}")


def describe_gpu(uuid: str | None) -> dict[str, Any] | None:
    """Return name, UUID, memory and driver of a GPU; None for a worker without one."""
    if uuid is None:
        return None
    with _library() as library:
        if library is None:
            return {"uuid": uuid}
        try:
            handle = library.nvmlDeviceGetHandleByUUID(uuid.encode())
            return {
                "uuid": uuid,
                "name": _text(library.nvmlDeviceGetName(handle)),
                "driver": _text(library.nvmlSystemGetDriverVersion()),
                "memory_bytes": int(library.nvmlDeviceGetMemoryInfo(handle).total),
                "compute_capability": ".".join(
                    map(str, library.nvmlDeviceGetCudaComputeCapability(handle))
                ),
            }
        except library.NVMLError:
            return {"uuid": uuid}


@contextlib.contextmanager
def _library() -> Iterator[Any]:
    """Yield the initialised management library, or None where it or the driver is missing."""
    try:
        import pynvml
    except ImportError:
        yield None
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
