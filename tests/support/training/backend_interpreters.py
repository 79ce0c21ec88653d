"""Interpreters that have Keras with a given backend: this one, a named one, or one that is made.

The development lock holds TensorFlow alone. JAX and PyTorch get a virtual environment each, from
their own lock, kept in the cache of tests/acceptance/environments.py; PyTorch in its build for the
processor, because the locked one, for CUDA, is several GB with its libraries.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.environments import CACHE, ROOT, Environment, install_lock, made

#: pip's own index may have only the build for CUDA: `TUNER_TEST_TORCH` names what to install.
TORCH = os.environ.get("TUNER_TEST_TORCH") or "torch==2.13.0+cpu"
_CUDA_ONLY = re.compile(r"(torch|triton|nvidia-(?!ml-py)[\w-]*|cuda-[\w-]*)==")


def interpreter(backend: str) -> Path:
    """Return a Python with Keras and `backend`; skip the test where there can be none.

    `TUNER_TEST_JAX_PYTHON` and `TUNER_TEST_TORCH_PYTHON` name one that is there.
    """
    if named := os.environ.get(f"TUNER_TEST_{backend.upper()}_PYTHON"):
        return Path(named)
    if importlib.util.find_spec("keras") and importlib.util.find_spec(backend):
        return Path(sys.executable)
    if backend == "jax":
        return Environment("requirements-worker-jax.lock", ROOT).python
    if backend == "torch":
        return _with_torch()
    pytest.skip(f"Keras and {backend} are not installed here")


def _with_torch() -> Path:
    lock = _without_cuda((ROOT / "requirements-worker-torch.lock").read_text())
    made_from = hashlib.sha256(f"{TORCH}\n{lock}".encode()).hexdigest()[:16]
    folder = CACHE / f"keras-torch-py{sys.version_info.major}{sys.version_info.minor}-{made_from}"
    python = folder / "bin" / "python"
    pip: list[str | Path] = [
        *(python, "-m", "pip", "install", "-q"),
        *("--no-deps", "--no-compile"),
    ]
    with made(folder) as is_new:
        if is_new:
            if subprocess.run([*pip, TORCH], capture_output=True, check=False).returncode != 0:
                pytest.skip(f"pip's index here has no {TORCH}; TUNER_TEST_TORCH names another one")
            rest = folder / "rest.lock"
            rest.write_text(lock)
            install_lock(python, rest)
    return python


def _without_cuda(lock: str) -> str:
    """Return a lock without PyTorch and what only its build for CUDA needs."""
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)
    return "".join(entry for entry in entries if not _CUDA_ONLY.match(entry))
