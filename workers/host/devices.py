"""The devices of this host: GPUs by UUID, through NVIDIA's management library."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any


class DeviceError(Exception):
    """A requested GPU does not exist; the text lists the existing ones."""


def list_gpus() -> list[str]:
    """Return the UUIDs of the GPUs of this host; empty if there is no driver."""
    library = _library()
    if library is None:
        return []
    return [
        _text(library.nvmlDeviceGetUUID(library.nvmlDeviceGetHandleByIndex(index)))
        for index in range(library.nvmlDeviceGetCount())
    ]


def check_gpus(uuids: Sequence[str], wanted: int = 0) -> None:
    """Check that each of these GPUs, or MIG instances, works, and that they are enough.

    Args:
        wanted: number that the trial needs. The server matches them; no trial may train on fewer.

    Raises:
        DeviceError: one does not work: TensorFlow would silently train on the others, or on the
            CPU. Or there are too few.
    """
    if len(uuids) < wanted:
        needed = "1 GPU" if wanted == 1 else f"{wanted} GPUs"
        raise DeviceError(f"the trial needs {needed}, and this worker owns {len(uuids) or 'none'}")
    if not uuids:
        return
    library = _library()
    if library is None:
        reason = "this host has no NVIDIA driver, or nvidia-ml-py is not installed"
        raise DeviceError(f"GPU {uuids[0]!r} does not answer: {reason}")
    for uuid in uuids:
        try:
            library.nvmlDeviceGetName(library.nvmlDeviceGetHandleByUUID(uuid.encode()))
        except library.NVMLError as exc:
            reason = f"{exc}; this host has: {', '.join(list_gpus()) or 'none'}"
            raise DeviceError(f"GPU {uuid!r} does not answer: {reason}") from exc


def describe_gpu(uuid: str) -> dict[str, Any]:
    """Return name, UUID, memory and driver of a GPU."""
    library = _library()
    if library is None:
        return {"uuid": uuid}
    try:
        handle = library.nvmlDeviceGetHandleByUUID(uuid.encode())
        capability = library.nvmlDeviceGetCudaComputeCapability(handle)
        return {
            "uuid": uuid,
            "name": _text(library.nvmlDeviceGetName(handle)),
            "driver": _text(library.nvmlSystemGetDriverVersion()),
            "memory_bytes": int(library.nvmlDeviceGetMemoryInfo(handle).total),
            "compute_capability": ".".join(map(str, capability)),
        }
    except library.NVMLError:
        return {"uuid": uuid}


def memory_in_use(uuids: Sequence[str]) -> dict[str, int]:
    """Return the used memory of each GPU, by any process, in bytes; 0 if unknown."""
    library = _library() if uuids else None
    return {uuid: _memory_in_use(library, uuid) for uuid in uuids}


def _memory_in_use(library: Any, uuid: str) -> int:
    if library is None:
        return 0
    try:
        handle = library.nvmlDeviceGetHandleByUUID(uuid.encode())
        return int(library.nvmlDeviceGetMemoryInfo(handle).used)
    except library.NVMLError:
        return 0


def _library() -> Any:
    """Return the initialized management library, None if it or the driver is missing.

    It starts no CUDA, so a process that has used it may still be forked.
    """
    try:
        import pynvml
    except ImportError:
        return None
    try:
        _initialise(pynvml)
    except pynvml.NVMLError:
        return None
    return pynvml


@functools.cache
def _initialise(library: Any) -> None:
    """Initialize the library once; a failure is not remembered: the driver may come back."""
    library.nvmlInit()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
