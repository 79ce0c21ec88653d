"""Which environment variables `config.json` records: those that change what a training computes.

They are listed by name, because no rule distinguishes a setting from a secret: `TF_CONFIG` holds
the addresses of a cluster, `KERAS_API_PASSPHRASE` starts like Keras' settings. What matters and is
not listed belongs in a study's spec or code.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Grouped by the reason why they matter.
NAMES: Mapping[str, tuple[str, ...]] = {
    "which devices compute": (
        "CUDA_VISIBLE_DEVICES",
        "CUDA_DEVICE_ORDER",
        "JAX_PLATFORMS",
        "JAX_PLATFORM_NAME",
        "KERAS_BACKEND",
        # Its `keras.json` sets the type of floats.
        "KERAS_HOME",
    ),
    "the order of sums: how many threads, or ranks, add up parts": (
        "OMP_NUM_THREADS",
        "OMP_DYNAMIC",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "MKL_DYNAMIC",
        "MKL_CBWR",
        "KMP_DETERMINISTIC_REDUCTION",
        "TF_NUM_INTEROP_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "NCCL_ALGO",
        "NCCL_PROTO",
    ),
    "operations that always give the same, or are as fast as they can be": (
        "TF_DETERMINISTIC_OPS",
        "TF_CUDNN_DETERMINISTIC",
        "TF_CUDNN_USE_AUTOTUNE",
        "TF_CUDNN_USE_FRONTEND",
        "TF_CUDNN_USE_RUNTIME_FUSION",
        "TF_CUDNN_WORKSPACE_LIMIT_IN_MB",
        "TF_ENABLE_WINOGRAD_NONFUSED",
        "CUBLAS_WORKSPACE_CONFIG",
        "PYTHONHASHSEED",
    ),
    "how exact a product is": (
        "NVIDIA_TF32_OVERRIDE",
        "TF_ENABLE_CUBLAS_TENSOR_OP_MATH_FP32",
        "TF_ENABLE_CUDNN_TENSOR_OP_MATH_FP32",
        "TF_ENABLE_ONEDNN_OPTS",
        "ONEDNN_MAX_CPU_ISA",
        "ONEDNN_DEFAULT_FPMATH_MODE",
        "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
        "JAX_DEFAULT_MATMUL_PRECISION",
        "JAX_ENABLE_X64",
        "JAX_DEFAULT_DTYPE_BITS",
        "JAX_NUMPY_DTYPE_PROMOTION",
    ),
    "which random numbers are drawn": (
        "JAX_DEFAULT_PRNG_IMPL",
        "JAX_THREEFRY_PARTITIONABLE",
        "JAX_RANDOM_SEED_OFFSET",
    ),
    "what is compiled, and how": (
        "XLA_FLAGS",
        "TF_XLA_FLAGS",
        "JAX_DISABLE_JIT",
        "TF_USE_LEGACY_KERAS",
    ),
    "how much fits into memory": (
        "TF_FORCE_GPU_ALLOW_GROWTH",
        "TF_GPU_ALLOCATOR",
        "TF_GPU_THREAD_MODE",
        "XLA_PYTHON_CLIENT_PREALLOCATE",
        "XLA_PYTHON_CLIENT_MEM_FRACTION",
        "XLA_PYTHON_CLIENT_ALLOCATOR",
        "PYTORCH_CUDA_ALLOC_CONF",
        "PYTORCH_ALLOC_CONF",
    ),
}
#: Maximum length of a value in characters: the longest is a list of XLA's flags.
MAX_CHARS = 2000

_ALL = frozenset(name for names in NAMES.values() for name in names)


def numeric_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of `environ` that change what is computed, by name.

    A value longer than `MAX_CHARS` is cut, with a note of its length; bytes that are not UTF-8 are
    escaped.
    """
    return {name: _bounded(environ[name]) for name in sorted(_ALL & environ.keys())}


def _bounded(value: str) -> str:
    text = value.encode("utf-8", "backslashreplace").decode()
    if len(text) <= MAX_CHARS:
        return text
    return f"{text[:MAX_CHARS]}… ({len(text)} characters)"
