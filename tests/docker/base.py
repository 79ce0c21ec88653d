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

#: Of a container that gets more packages. No service of theirs starts in it.
_INSTALL = """
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/unsafe
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /usr/sbin/policy-rc.d
"""


def base_image(engine: Engine) -> str:
    """Return the reference of the base; made once, and kept by the engine.

    Raises:
        NoEngineError: mmdebstrap is missing, or Debian's mirror does not answer.
    """
    if named := os.environ.get("TUNER_TEST_BASE_IMAGE"):
        return named
    reference = _reference("python", PACKAGES)
    if not _is_there(engine, reference):
        _bootstrap(engine, reference)
    return reference


def debian_image(engine: Engine, name: str, packages: tuple[str, ...]) -> str:
    """Return the base with these packages of Debian's on it; made once, and kept by the engine.

    Raises:
        NoEngineError: as `base_image`.
    """
    base = base_image(engine)
    reference = _reference(name, (base, *packages))
    if _is_there(engine, reference):
        return reference
    container = f"{reference.replace('/', '-').replace(':', '-')}-{os.getpid()}"
    install = ("sh", "-e", "-c", _INSTALL, "install", *packages)
    try:
        done = engine.call(
            "run", f"--name={container}", "--user=0", "--entrypoint=", base, *install
        )
        if done.returncode:
            raise NoEngineError(f"no image with {', '.join(packages)}: {done.stderr[-800:]}")
        engine.docker("commit", container, reference)
    finally:
        engine.call("rm", "--force", container)
    return reference


def _reference(name: str, made_from: tuple[str, ...]) -> str:
    found = hashlib.sha256(f"{RELEASE} {made_from} {_INSTALL}".encode()).hexdigest()[:12]
    return f"tuner-test/{name}:{found}"


def _is_there(engine: Engine, reference: str) -> bool:
    return engine.call("image", "inspect", reference).returncode == 0


def _bootstrap(engine: Engine, reference: str) -> None:
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
        f"--include={','.join(PACKAGES)}",
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
