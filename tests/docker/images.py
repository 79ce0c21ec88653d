"""The images under test: built by docker/build.sh as a user would, pushed, and named by digest."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.environments import ROOT
from tests.docker.engine import Engine
from tests.docker.registry import Registry

#: Certificates of the host: pip needs those of a proxy, where there is one.
_AUTHORITIES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


@dataclass(frozen=True, kw_only=True)
class Images:
    """The two images by digest, `NAME@sha256:…`, in the registry of the tests."""

    coordinator: str
    #: The flavour `plain`.
    worker: str


def build_images(engine: Engine, registry: Registry, base: str) -> Images:
    """Build and push the coordinator and the plain worker, side by side."""
    wanted = (("coordinator",), ("worker", "plain"))

    def build_one(kind: tuple[str, ...]) -> str:
        tag = registry.name(f"team/tuner-{kind[0]}:test")
        return build(engine, *kind, tag, "--push", base=base)

    with ThreadPoolExecutor() as pool:
        coordinator, worker = pool.map(build_one, wanted)
    return Images(coordinator=coordinator, worker=worker)


def build(engine: Engine, *arguments: str, base: str) -> str:
    """Run docker/build.sh, which has to succeed; return the image that its last line names."""
    done = call_build(engine, *arguments, *secrets(), base=base)
    assert done.returncode == 0, f"build.sh {' '.join(arguments)}\n{done.stderr[-6000:]}"
    return done.stdout.splitlines()[-1]


def call_build(
    engine: Engine, *arguments: str, base: str, source: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run the docker/build.sh of a source tree to its end, whatever that is."""
    return subprocess.run(
        ["sh", source / "docker" / "build.sh", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=engine.environment({"BASE_IMAGE": base}),
    )


def secrets() -> list[str]:
    """Return the options with which a build gets what pip needs on this host."""
    options = []
    for name in _AUTHORITIES:
        path = os.environ.get(name)
        if path and Path(path).is_file():
            options += ["--secret", f"id=ca,src={path}"]
            break
    if config := os.environ.get("TUNER_TEST_PIP_CONF"):
        options += ["--secret", f"id=pip,src={config}"]
    return options
