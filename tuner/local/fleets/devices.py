"""The devices on which this machine can train."""

from __future__ import annotations

import os

from tuner.errors import SpecError
from tuner.spec import StudySpec


def count_gpus() -> int:
    """Return the number of NVIDIA GPUs that the driver reports; 0 without driver or library."""
    return len(list_gpus())


def list_gpus() -> list[str]:
    """Return the UUIDs of NVIDIA GPUs in the driver's order; none without driver or library."""
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        found = [pynvml.nvmlDeviceGetUUID(handle) for handle in handles]
    except pynvml.NVMLError:
        return []
    return [uuid.decode() if isinstance(uuid, bytes) else uuid for uuid in found]


def default_workers(spec: StudySpec) -> int:
    """Return the number of workers that suits the study here: by its GPUs, or one per two cores.

    Raises:
        SpecError: its trials need more GPUs than exist.
    """
    if spec.trial.gpus:
        found = count_gpus()
        room = found // spec.trial.gpus
        if found == 0:
            raise SpecError(
                f"trial.gpus: {spec.trial.gpus}: this machine shows no NVIDIA GPU; "
                f"set 0 to train on the CPU"
            )
        if room == 0:
            raise SpecError(
                f"trial.gpus: {spec.trial.gpus}: this machine shows {found} NVIDIA "
                f"GPU{'' if found == 1 else 's'}; set {found} at most"
            )
    else:
        room = len(os.sched_getaffinity(0)) // 2
    return max(1, min(room, spec.parallel or room))
