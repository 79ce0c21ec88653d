"""The part of `config.json` that only the worker knows: versions, device, environment, command."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import sys
from collections.abc import Mapping
from typing import Any

from tuner.protocol import IMAGE_FACTS, Assignment, WorkerInfo
from workers.backends.choice import BackendChoice
from workers.backends.versions import library_versions
from workers.host.devices import describe_gpu
from workers.records.variables import numeric_environment


class Environment:
    """What does not change while a worker lives; read once.

    Args:
        build_facts: how the backends of its trials were built.
    """

    def __init__(
        self, info: WorkerInfo, environ: Mapping[str, str], build_facts: Mapping[str, Any]
    ) -> None:
        self._info = info
        devices = [describe_gpu(uuid) for uuid in info.device_ids]
        #: The worker's part of `config.json`.
        self.facts: dict[str, Any] = {
            "host": info.host,
            "worker": info.name,
            "isolation": info.isolation,
            "platform": platform.platform(),
            "command": [sys.executable, *sys.argv],
            "versions": {
                "python": platform.python_version(),
                **library_versions(),
                **build_facts,
            },
            "package_lock": _package_lock(),
            # The fields for a single device also describe the first of several.
            "gpu": devices[0] if devices else None,
            "devices": devices,
            "environment": numeric_environment(environ),
        }

    def config(
        self, assignment: Assignment, backend: BackendChoice | None = None
    ) -> dict[str, Any]:
        """Return the content of `config.json`: the parts of server, attempt and worker.

        Args:
            backend: the backend of its Keras.
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
            **self._image_facts(assignment),
            **self.facts,
        }

    def _image_facts(self, assignment: Assignment) -> dict[str, Any]:
        """Return the image and how far it is verified, according to the server if it says so.

        A server of an earlier release does not; then the worker's own data is used.
        """
        theirs, info = assignment.config, self._info
        if "image_verified" in theirs:
            return {name: theirs.get(name) for name in IMAGE_FACTS}
        # The image of this process; without a container, the one that the spec asks for.
        image = info.image or theirs.get("image")
        said = "stated" if info.image else None
        return {"image": image, "lock": info.lock, "files": info.files, "image_verified": said}


def _package_lock() -> str:
    """Return a hash of all installed packages with their versions."""
    lines = {
        f"{distribution.name.lower().replace('_', '-')}=={distribution.version}"
        for distribution in importlib.metadata.distributions()
    }
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
