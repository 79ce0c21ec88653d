"""Which devices each worker of a host owns: as many GPUs as requested, and no GPU twice."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tuner.errors import SetupError
from tuner.protocol import Device
from tuner.runtime.system import MAX_DEVICES
from workers.host.devices import list_gpus

logger = logging.getLogger(__name__)

#: Maximum number of digits of a GPU's index.
_MOST_DIGITS = 4


def parse_device(text: str) -> tuple[Device, list[str]]:
    """Return kind and UUIDs of the devices of one worker.

    Args:
        text: "cpu" or "gpu:UUID", several GPUs separated by commas.

    Raises:
        SetupError: there is no such kind, or one worker cannot own these GPUs.
    """
    kind, _, names = text.partition(":")
    uuids = [name.strip() for name in names.split(",") if name.strip()]
    if text == "cpu":
        return "cpu", []
    if kind != "gpu" or not uuids:
        raise SetupError(f"--device {text}: cpu, or gpu:UUID (several GPUs: gpu:UUID,UUID)")
    if len(set(uuids)) < len(uuids):
        raise SetupError(f"--device {text}: names a GPU twice")
    if len(uuids) > MAX_DEVICES:
        raise SetupError(f"--device {text}: {len(uuids)} GPUs; a worker owns {MAX_DEVICES} at most")
    return "gpu", uuids


def resolve_visible(text: str, visible: str | None) -> str:
    """Return the device of a worker, with UUIDs in place of `gpu:visible`.

    A scheduler assigns GPUs to a job by their index in the driver's order, among those that the job
    may see, or by UUID.

    Args:
        text: from the command line.
        visible: `CUDA_VISIBLE_DEVICES` as set by the scheduler; None: not set.

    Raises:
        SetupError: the scheduler has assigned no GPU, or one that does not exist.
    """
    if text != "gpu:visible":
        return text
    names = [name.strip() for name in (visible or "").split(",") if name.strip()]
    if not names or names == ["-1"]:
        said = "is not set" if visible is None else f"is {visible!r}"
        raise SetupError(
            f"--device gpu:visible: CUDA_VISIBLE_DEVICES {said}: the scheduler has given this "
            f"process no GPU; ask it for some (tuner launch … --gpus N)"
        )
    present = list_gpus()
    return "gpu:" + ",".join(_uuid(name, present) for name in names)


def _uuid(name: str, present: Sequence[str]) -> str:
    if not name.isdecimal():
        return name
    if len(name) > _MOST_DIGITS or int(name) >= len(present):
        found = f"it shows {len(present)} GPUs" if present else "it shows no GPU"
        raise SetupError(
            f"--device gpu:visible: CUDA_VISIBLE_DEVICES names GPU {name[:20]} of this host, and "
            f"{found}: {', '.join(present) or 'no NVIDIA driver, or nvidia-ml-py is missing'}"
        )
    return present[int(name)]


def find_devices(gpus: str, per_worker: int) -> list[str]:
    """Return the devices of each worker of this host with GPUs; empty: all use the CPU.

    GPUs that are adjacent in the driver's order, which is that of the bus, go to one worker: they
    are the most likely to be joined by NVLink or a common switch.

    Args:
        gpus: "all", "none", or UUIDs separated by commas, in the order in which they are assigned.
        per_worker: number of GPUs of each.

    Returns:
        "gpu:UUID" each, several separated by commas.

    Raises:
        SetupError: a GPU that was requested by its UUID does not exist, or there are too few for
            one worker.
    """
    uuids = _wanted(gpus)
    if gpus == "none" or (not uuids and per_worker == 1):
        return []
    if len(uuids) < per_worker:
        found = ", ".join(uuids) or "none"
        raise SetupError(f"--gpus-per-worker {per_worker}: too few GPUs for a worker here: {found}")
    count = len(uuids) // per_worker
    if left := uuids[count * per_worker :]:
        logger.warning(
            "GPUs are left over",
            extra={"gpus": left, "per_worker": per_worker, "workers": count},
        )
    return ["gpu:" + ",".join(_part(uuids, number, per_worker)) for number in range(count)]


def _part(uuids: Sequence[str], number: int, size: int) -> Sequence[str]:
    return uuids[number * size : (number + 1) * size]


def _wanted(gpus: str) -> list[str]:
    if gpus == "none":
        return []
    present = list_gpus()
    if gpus == "all":
        return present
    wanted = [uuid.strip() for uuid in gpus.split(",") if uuid.strip()]
    if missing := [uuid for uuid in wanted if uuid not in present and not uuid.startswith("MIG-")]:
        raise SetupError(
            f"--gpus: no GPU {', '.join(missing)} on this host; "
            f"it has: {', '.join(present) or 'none'}"
        )
    if twice := sorted({uuid for uuid in wanted if wanted.count(uuid) > 1}):
        raise SetupError(f"--gpus: {', '.join(twice)} is named twice: a GPU has one worker")
    return wanted
