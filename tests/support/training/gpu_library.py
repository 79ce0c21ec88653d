"""A stand-in for NVIDIA's management library, for machines without a GPU."""

from __future__ import annotations

from pathlib import Path

#: A GPU is there when its UUID is a line of the file `gpus` beside the module, and has lost its
#: way when a file of its name lies there. The processes of the file `holders` have memory on each.
_SOURCE = """
from pathlib import Path
FOLDER = Path(__file__).parent
class NVMLError(Exception): pass
def nvmlInit(): pass
def nvmlSystemGetDriverVersion(): return "580.1"
def nvmlDeviceGetCount(): return len((FOLDER / "gpus").read_text().split())
def nvmlDeviceGetHandleByIndex(index): return (FOLDER / "gpus").read_text().split()[index].encode()
def nvmlDeviceGetHandleByUUID(uuid):
    if (FOLDER / uuid.decode()).exists():
        raise NVMLError("GPU is lost")
    return uuid
def nvmlDeviceGetUUID(handle): return handle.decode()
def nvmlDeviceGetName(handle): return "Stand-in"
def nvmlDeviceGetCudaComputeCapability(handle): return (9, 0)
def nvmlShutdown(): pass
def _holders():
    path = FOLDER / "holders"
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []
def nvmlDeviceGetComputeRunningProcesses(handle):
    return [type("Process", (), {"pid": pid}) for pid in _holders()]
def nvmlDeviceGetMemoryInfo(handle):
    used = 2 * 10**9 * len(_holders())
    return type("Memory", (), {"total": 8 * 10**9, "used": used, "free": 8 * 10**9 - used})
"""


def make_gpu_library(folder: Path, uuids: list[str]) -> Path:
    """Write the module `pynvml` into a folder, which then goes onto `PYTHONPATH`; return it."""
    folder.mkdir(exist_ok=True)
    (folder / "pynvml.py").write_text(_SOURCE)
    (folder / "gpus").write_text("\n".join(uuids))
    return folder
