"""Whether the TensorFlow image was built as docker/ and the lock are now.

It takes minutes and 2 GB, so it is built where something has changed that it is made from, apart
from Tuner itself: docker/tensorflow-image.json holds the hash of those files, written by the test
that builds the image and runs a trial in it. Where they differ, and so in CI after a change whose
author has not run it, the test runs.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.acceptance.environments import ROOT

LOCK = "requirements-worker-cpu.lock"
RECORD = ROOT / "docker" / "tensorflow-image.json"


def inputs() -> list[Path]:
    """Return the files that the image is made from.

    Without those of Tuner itself, and of what the small image shows just as well: facts, labels.
    """
    docker = ROOT / "docker"
    files = [docker / "worker.Dockerfile", ROOT / ".dockerignore", ROOT / LOCK]
    scripts = ["check-base.sh", "harden.sh", "pip.sh"]
    return [*files, *(docker / name for name in scripts), *sorted(docker.glob("*.lock"))]


def inputs_hash() -> str:
    """Return the SHA-256 of those files, with their names."""
    found = hashlib.sha256()
    for path in inputs():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(ROOT)} {content}\n".encode())
    return found.hexdigest()


def is_recorded() -> bool:
    """Whether the image was built, and has run a trial, as these files are."""
    try:
        recorded: str = json.loads(RECORD.read_text())["inputs"]
    except (OSError, ValueError, KeyError):
        return False
    return recorded == inputs_hash()


def record(size_mb: int) -> None:
    """Note that an image of this size was built from the files as they are and has run a trial."""
    facts = {"inputs": inputs_hash(), "lock": LOCK, "size_mb": size_mb}
    RECORD.write_text(json.dumps(facts, indent=1) + "\n")
