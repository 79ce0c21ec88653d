"""The base of the images under test: Debian with Python, made from packages, without a registry.

`TUNER_TEST_BASE_IMAGE` names another one, as the one in docker/pins.toml where a registry is at
hand.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess

from tests.docker.engine import Engine, NoEngineError

RELEASE = "bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-venv")


def base_image(engine: Engine) -> str:
    """Return the reference of the base; made once, and kept by the engine."""
    if named := os.environ.get("TUNER_TEST_BASE_IMAGE"):
        return named
    return debian_image(engine, "python", PACKAGES)


def debian_image(engine: Engine, name: str, packages: tuple[str, ...]) -> str:
    """Return an image of Debian with these packages; made once, and kept by the engine.

    Raises:
        NoEngineError: mmdebstrap is missing, or Debian's mirror does not answer.
    """
    made_from = hashlib.sha256(f"{RELEASE} {packages}".encode()).hexdigest()[:12]
    reference = f"tuner-test/{name}:{made_from}"
    if engine.call("image", "inspect", reference).returncode == 0:
        return reference
    if shutil.which("mmdebstrap") is None:
        raise NoEngineError("there is no mmdebstrap for a base image; `sh .ci/engine`")
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        '--aptopt=Acquire::Languages "none"',
        # What is thrown away when it fails need not survive a crash of the machine.
        "--dpkgopt=force-unsafe-io",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        f"--include={','.join(packages)}",
        RELEASE,
        "-",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as made:
        done = subprocess.run(
            [engine.cli, "import", "--change", "ENV LANG=C.UTF-8", "-", f"{reference}-unfinished"],
            stdin=made.stdout,
            capture_output=True,
            text=True,
            check=False,
            env=engine.environment(),
        )
        assert made.stderr is not None
        said = made.stderr.read().decode(errors="replace")
    if made.returncode or done.returncode:
        raise NoEngineError(f"no base image: mmdebstrap: {said[-800:]} {done.stderr[-400:]}")
    engine.docker("tag", f"{reference}-unfinished", reference)
    engine.docker("rmi", f"{reference}-unfinished")
    return reference
