"""What the texts of frameworks and the ends of processes mean. The texts are from real failures."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

import pytest

from tuner.roots import Place
from workers.failures.causes import classify, explain_exit, read_tail
from workers.failures.device_texts import device_cause

OOM = [
    # TensorFlow's allocator, on both kinds of device.
    "OOM when allocating tensor with shape[100000,100000] and type float on "
    "/job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc [Op:Fill]",
    "{{function_node __wrapped__Fill_device_/job:localhost/replica:0/task:0/device:CPU:0}} OOM "
    "when allocating tensor with shape[1000000,1000000] and type float on "
    "/job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu [Op:Fill]",
    "failed to allocate 11.17GiB (11996954624 bytes) from device: CUDA_ERROR_OUT_OF_MEMORY: out of "
    "memory",
    # XLA and JAX.
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 68719476736 bytes.",
    "RESOURCE_EXHAUSTED: Out of memory allocating 40000000000000 bytes.",
    "RESOURCE_EXHAUSTED: Failed to allocate request for 64.00GiB (68719476736B) on device "
    "ordinal 0",
    "Out of memory while trying to allocate 10995116277760 bytes. [Op:__inference_train_12]",
    "Failed to create cuDNN handle: CUDNN_STATUS_ALLOC_FAILED",
    "failed to create cublas handle: CUBLAS_STATUS_ALLOC_FAILED",
    # PyTorch.
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 15.77 GiB of "
    "which 14.19 GiB is free.",
    "CUDA error: out of memory",
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you "
    "tried to allocate 4000000000000000 bytes. Error code 12 (Cannot allocate memory)",
    # C++, before it aborts.
    "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc",
]
REJECTED = [
    "Unable to initialize backend 'cuda': Unable to load CUDA. Is it installed?",
    "failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected",
    "failed call to cuInit: UNKNOWN ERROR (303)",
    "failed call to cuDevicePrimaryCtxRetain: CUDA_ERROR_OUT_OF_MEMORY: out of memory; total "
    "memory reported: 25393692672",
    "failed initializing StreamExecutor for CUDA device ordinal 0: INTERNAL: failed call to "
    "cuDevicePrimaryCtxRetain: CUDA_ERROR_UNKNOWN: unknown error",
    "CUDA runtime implicit initialization on GPU:0 failed. Status: all CUDA-capable devices are "
    "busy or unavailable",
    "cudaGetDevice() failed. Status: CUDA driver version is insufficient for CUDA runtime version",
    "cudaSetDevice() on GPU:0 failed. Status: device kernel image is invalid",
    "could not retrieve CUDA device count: CUDA_ERROR_NOT_INITIALIZED: initialization error",
    "could not synchronize on CUDA context: CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error "
    "encountered",
    "Failed to query device: CUDA_ERROR_DEVICE_UNAVAILABLE: CUDA-capable device(s) is/are busy or "
    "unavailable",
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: system has unsupported display driver / cuda driver "
    "combination",
    "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE: forward compatibility was attempted on non "
    "supported HW",
    "CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available for execution on the device",
    "Failed to get convolution algorithm. This is probably because cuDNN failed to initialize, so "
    "try looking to see if a warning log message was printed above. [Op:Conv2D]",
    "DNN library initialization failed. Look at the errors above for more details.",
    "DNN library is not found.\n\t [[{{node sequential/conv2d/Conv2D}}]] [Op:__inference_call_1]",
    "Could not create cudnn handle: CUDNN_STATUS_NOT_INITIALIZED",
    "Could not create cudnn handle: CUDNN_STATUS_INTERNAL_ERROR",
    "failed to create cublas handle: cublas error",
    "Attempting to perform BLAS operation using StreamExecutor without BLAS support [Op:MatMul]",
    "CUDA error: no CUDA-capable device is detected",
    "CUDA error: uncorrectable ECC error encountered",
    "No CUDA GPUs are available",
    "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU",
    "GPU is lost",
]
NOT_THE_DEVICE = [
    "could not synchronize on CUDA context: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access "
    "was encountered :: *** Begin stack trace ***",
    "Failed to launch kernel: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: too many resources requested for "
    "launch",
    "CUDA_ERROR_ASSERT: device-side assert triggered",
    "CUDA error: device-side assert triggered",
    "CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure",
    'Input 0 of layer "dense" is incompatible with the layer: expected axis -1 to have value 4',
    "Graph execution error: required broadcastable shapes [Op:AddV2]",
    "the score is out of range",
    "",
]


@pytest.mark.parametrize("text", OOM)
def test_a_device_without_memory_is_out_of_memory(text: str) -> None:
    assert device_cause(text) == "oom"


@pytest.mark.parametrize("text", REJECTED)
def test_a_device_that_nobody_could_use_rejects_the_trial(text: str) -> None:
    assert device_cause(text) == "rejected"


@pytest.mark.parametrize("text", NOT_THE_DEVICE)
def test_a_fault_of_the_program_is_not_blamed_on_the_device(text: str) -> None:
    assert device_cause(text) is None


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's."""


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def wrapped(inner: BaseException) -> BaseException:
    error = RuntimeError("the training failed")
    error.__cause__ = inner
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (wrapped(MemoryError()), "oom"),
        (wrapped(wrapped(ResourceExhaustedError("no room for the tensor"))), "oom"),
        (wrapped(RuntimeError("CUDA error: no CUDA-capable device is detected")), "rejected"),
        (wrapped(OSError(errno.EROFS, "Read-only file system", "/nowhere/x")), "error"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "oom"),
        # TensorFlow calls a full disk exhausted too; this one is none of ours.
        (ResourceExhaustedError("/data/cache.data; No space left on device"), "error"),
        (UnprintableError(), "error"),
    ],
)
def test_what_an_error_was_raised_from_counts(
    tmp_path: Path, error: BaseException, cause: str
) -> None:
    assert classify(error, [tmp_path]) == cause


def test_an_error_that_was_handled_before_another_one_does_not_count(tmp_path: Path) -> None:
    def fall_back() -> None:
        try:
            raise MemoryError
        except MemoryError:
            raise KeyError("units")  # noqa: B904 - what is tested

    with pytest.raises(KeyError) as caught:
        fall_back()

    assert classify(caught.value, [tmp_path]) == "error"


ABORTED = "F0000 stream.cc:1] Check failed: CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error\n"
NO_ROOM = "terminate called after throwing an instance of 'std::bad_alloc'\n"
EXITS = [
    (-signal.SIGKILL, "", False, "lost"),
    (-signal.SIGKILL, "", True, "oom"),
    (-signal.SIGABRT, NO_ROOM, False, "oom"),
    (-signal.SIGABRT, ABORTED, False, "rejected"),
    (-signal.SIGABRT, "Check failed: ndims == 2\n", False, "error"),
    (-signal.SIGSEGV, ABORTED, False, "error"),
    (3, "", False, "error"),
    (0, "", False, "error"),
]


@pytest.mark.parametrize(("status", "output", "of_memory", "cause"), EXITS)
def test_the_end_of_a_process_has_a_cause_and_a_last_line_that_names_it(
    tmp_path: Path, status: int, output: str, cause: str, *, of_memory: bool
) -> None:
    path = tmp_path / "output.log"
    path.write_text(output)
    found, text = explain_exit(status, Place(tmp_path), of_memory=of_memory)

    assert found == cause
    assert text.splitlines()[-1].startswith("the trial's process")


def test_the_last_output_is_shown_as_a_terminal_would_show_it(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    path.write_bytes(
        b"x" * 100_000
        + b"\nepoch 1\n\r 1/10\r\x1b[1m 9/10\x1b[0m\r\x1b[1m10/10\x1b[0m\r\n"
        + b"Extension modules: numpy._core (total: 1)\n\xff end\x00"
    )

    assert read_tail(Place(tmp_path)).split("\n")[1:] == ["epoch 1", "10/10", "\ufffd end"]
    assert read_tail(Place(tmp_path, "missing")) == ""
    _, text = explain_exit(3, Place(tmp_path), of_memory=False)
    assert len(text.splitlines()) <= 50
