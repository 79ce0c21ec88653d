"""Checks GPUs: which ones exist, with which driver, and who holds their memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuner.local.doctor.finding import DoctorFinding, ok, warning
from tuner.settings import Settings

#: Bytes; the driver itself may hold less than this.
_HELD_BYTES = 1 << 30


def look_at_gpus(_settings: Settings) -> Iterator[DoctorFinding]:
    """Yield the GPUs visible on this host."""
    try:
        import pynvml
    except ImportError:
        yield ok("GPUs", "not looked at: the package nvidia-ml-py is not installed here")
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as exc:
        if list(Path("/dev").glob("nvidia[0-9]*")):
            yield warning(
                "GPUs",
                f"there are devices, and the driver does not answer: {exc}",
                "nvidia-smi says more; after an update of the driver, reboot the host",
            )
        else:
            yield ok("GPUs", "none; trials run on the CPU")
        return
    try:
        yield from _devices(pynvml)
    finally:
        pynvml.nvmlShutdown()


def _devices(library: Any) -> Iterator[DoctorFinding]:
    count = library.nvmlDeviceGetCount()
    driver = _text(library.nvmlSystemGetDriverVersion())
    for index in range(count):
        device = library.nvmlDeviceGetHandleByIndex(index)
        memory = library.nvmlDeviceGetMemoryInfo(device)
        name = f"{index} {_text(library.nvmlDeviceGetName(device))}, driver {driver}"
        room = f"{memory.used >> 20} of {memory.total >> 20} MB in use"
        holders = [_holder(p.pid) for p in library.nvmlDeviceGetComputeRunningProcesses(device)]
        others = [holder for holder in holders if " -m workers" not in holder]
        if memory.used > _HELD_BYTES and others:
            yield warning(
                "GPUs",
                f"{name}: {room}, by {'; '.join(others[:3])}",
                "end these if nobody needs them: trials on this GPU run out of memory",
            )
        elif memory.used > _HELD_BYTES and not holders:
            yield warning(
                "GPUs",
                f"{name}: {room}, by no process that is seen here",
                "a container or another account holds it: nvidia-smi on the host names it",
            )
        else:
            yield ok("GPUs", f"{name}: {room}")


def _holder(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return f"pid {pid}"
    # Without its arguments, which may contain secrets. Workers, and what they start, are recognized
    # by their module.
    is_ours = any(word.partition(".")[0] == "workers" for word in words[:6])
    shown = " -m workers" if is_ours else ""
    return f"pid {pid} ({Path(words[0]).name}{shown})"


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
