"""The part of `config.json` that only the worker knows: versions, device, environment, command."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import sys
from collections.abc import Mapping
from typing import Any

from tuner.protocol import Assignment, WorkerInfo
from workers.backends.choice import Choice
from workers.backends.versions import build_facts, library_versions
from workers.devices import describe_gpu

#: Variables that change what is computed.
_NUMERIC = (
    "XLA_FLAGS",
    "NVIDIA_TF32_OVERRIDE",
    "CUDA_VISIBLE_DEVICES",
    "CUBLAS_WORKSPACE_CONFIG",
    "XLA_PYTHON_CLIENT_PREALLOCATE",
    "OMP_NUM_THREADS",
    "PYTHONHASHSEED",
)
_NUMERIC_PREFIXES = ("TF_", "KERAS_", "JAX_", "PYTORCH_")
#: Terraform's, which may hold secrets; they only begin like TensorFlow's.
_FOREIGN_PREFIXES = ("TF_CLI", "TF_VAR_", "TF_TOKEN_", "TF_LOG")
_SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "KEY", "CREDENTIAL")


class Environment:
    """What does not change while a worker lives; read once.

    Args:
        info: of the worker.
        environ: of the process.
    """

    def __init__(self, info: WorkerInfo, environ: Mapping[str, str]) -> None:
        self._image = info.image
        devices = [describe_gpu(uuid) for uuid in info.device_ids]
        #: The worker's part of `config.json`.
        self.facts: dict[str, Any] = {
            "host": info.host,
            "worker": info.name,
            "isolation": info.isolation,
            "platform": platform.platform(),
            "command": [sys.executable, *sys.argv],
            "versions": _versions(),
            "package_lock": _package_lock(),
            # What there is to say of one device is said of the first of several as well.
            "gpu": devices[0] if devices else None,
            "devices": devices,
            "environment": _numeric_environment(environ),
        }

    def config(self, assignment: Assignment, backend: Choice | None = None) -> dict[str, Any]:
        """Return the content of `config.json`: the server's, attempt's and worker's parts.

        Args:
            assignment: the attempt.
            backend: what its Keras computes with.
        """
        return {
            "code": {"snapshot": assignment.code},
            **assignment.config,
            "version": 1,
            "study": assignment.study,
            "trial": assignment.trial,
            "attempt": assignment.attempt_no,
            "attempt_id": assignment.attempt,
            "run_dir": assignment.run_dir,
            "params": assignment.params,
            "seed": assignment.seed,
            "reproducibility": assignment.reproducibility,
            "objective": assignment.objective,
            "metrics": assignment.metrics,
            "backend": None if backend is None else backend.to_json(),
            # What this process runs in; without a container, what the spec asks for.
            "image": self._image or assignment.config.get("image"),
            **self.facts,
        }


def _versions() -> dict[str, Any]:
    return {"python": platform.python_version(), **library_versions(), **build_facts()}


def _package_lock() -> str:
    """Return the hash of all installed packages with their versions."""
    lines = {
        f"{distribution.name.lower().replace('_', '-')}=={distribution.version}"
        for distribution in importlib.metadata.distributions()
    }
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _numeric_environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in sorted(environ.items())
        if (key in _NUMERIC or key.startswith(_NUMERIC_PREFIXES))
        and not key.startswith(_FOREIGN_PREFIXES)
        and not any(word in key.upper() for word in _SECRET_WORDS)
    }
