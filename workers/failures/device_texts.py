"""What CUDA, TensorFlow, XLA and PyTorch say when a device is out of memory or unusable.

They raise a handful of exception types for everything, so only the text tells. It is read from
exceptions, and from the last output of a process that their C++ code has aborted.
"""

from __future__ import annotations

import re
from typing import Literal

DeviceCause = Literal["oom", "rejected"]

#: Without a context no training is possible, whatever the configuration: the device is in use by
#: others, or broken.
_NO_CONTEXT = re.compile(
    r"failed call to cu(Init|DevicePrimaryCtxRetain)"
    r"|failed initializing StreamExecutor"
    r"|CUDA runtime implicit initialization on GPU:\d+ failed"
    r"|could not retrieve CUDA device count"
    r"|Unable to initialize backend 'cuda'"
)
_OOM = re.compile(
    r"CUDA_ERROR_OUT_OF_MEMORY"
    r"|(CUDNN|CUBLAS|CUSOLVER|CUSPARSE|CUFFT)_(STATUS_)?ALLOC_FAILED"
    r"|RESOURCE_EXHAUSTED: "
    r"|\bOOM when allocating"
    r"|\bOut of memory (while trying to|allocating)"
    r"|Failed to allocate request for \S+ \(\d+B\) on device"
    r"|CUDA (error: )?out of memory"
    r"|DefaultCPUAllocator: (can't allocate|not enough) memory"
    r"|std::bad_alloc",
)
#: Errors of a kernel are the program's fault, not the device's: it would fail everywhere.
_OF_THE_PROGRAM = frozenset(
    {
        "ASSERT",
        "EXTERNAL_DEVICE",
        "FILE_NOT_FOUND",
        "ILLEGAL_ADDRESS",
        "ILLEGAL_INSTRUCTION",
        "ILLEGAL_STATE",
        "INVALID_ADDRESS_SPACE",
        "INVALID_HANDLE",
        "INVALID_PC",
        "INVALID_PTX",
        "INVALID_SOURCE",
        "INVALID_VALUE",
        "LAUNCH_FAILED",
        "LAUNCH_INCOMPATIBLE_TEXTURING",
        "LAUNCH_OUT_OF_RESOURCES",
        "LAUNCH_TIMEOUT",
        "MISALIGNED_ADDRESS",
        "NOT_FOUND",
        "NOT_SUPPORTED",
        "STREAM_CAPTURE_INVALIDATED",
        "STREAM_CAPTURE_UNSUPPORTED",
    }
)
_CUDA_ERROR = re.compile(r"CUDA_ERROR_([A-Z_]+)")
_BROKEN = re.compile(
    r"cuDNN failed to initialize"
    r"|DNN library (initialization failed|is not found)"
    r"|Could not create cud?nn handle"
    r"|(CUDNN|CUBLAS|CUSOLVER|CUSPARSE)_STATUS_(NOT_INITIALIZED|ARCH_MISMATCH)"
    r"|failed to create cu(blas|dnn|solver)\w* handle"
    r"|without BLAS support|without DNN support"
    r"|no CUDA-capable device"
    r"|CUDA-capable device\(?s\)? (is/)?are (all )?busy or unavailable"
    r"|CUDA driver version is insufficient"
    r"|unsupported display driver / cuda driver combination"
    r"|uncorrectable (ECC|NVLink) error"
    r"|forward compatibility was attempted on non supported HW"
    r"|No CUDA GPUs are available"
    r"|Found no NVIDIA driver"
    r"|invalid device ordinal"
    r"|GPU is lost"
    r"|cuda(GetDevice|SetDevice|GetDeviceCount)\(\) (on GPU:\d+ )?failed",
    re.IGNORECASE,
)


def device_cause(text: str) -> DeviceCause | None:
    """Return what a framework's message says about the device; None if it says nothing.

    Args:
        text: of an exception, or the last output of a process.

    Returns:
        "oom": this configuration needs more memory than the device has;
        "rejected": the device cannot be used by any configuration at present.
    """
    if _NO_CONTEXT.search(text):
        return "rejected"
    if _OOM.search(text):
        return "oom"
    codes = set(_CUDA_ERROR.findall(text))
    if codes:
        return None if codes & _OF_THE_PROGRAM else "rejected"
    return "rejected" if _BROKEN.search(text) else None
