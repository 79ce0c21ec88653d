"""A registry on the loopback interface, Debian's, for pushing and for pulling by digest."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.docker.engine import NoEngineError

_CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: "{folder}"}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """A running registry."""

    #: As it stands in references: "127.0.0.1:PORT".
    address: str

    def name(self, repository: str) -> str:
        """Return the reference of a repository in it."""
        return f"{self.address}/{repository}"


@contextmanager
def running_registry(folder: Path) -> Iterator[Registry]:
    """Yield a registry that keeps its images in `folder`; end it.

    Raises:
        NoEngineError: the program is missing, or does not start.
    """
    program = shutil.which("docker-registry") or shutil.which("registry")
    if program is None:
        raise NoEngineError("there is no docker-registry; on Debian `sh .ci/engine` installs it")
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "registry.yml"
    config.write_text(_CONFIG.format(folder=folder / "images", port=port))
    log = folder / "registry.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [program, "serve", config], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/v2/", process, log)
        yield Registry(address=f"127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own, on the loopback
                return
        except OSError as exc:
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace")[-800:]
                raise NoEngineError(f"the registry does not start: {exc}; {said}") from exc
            time.sleep(0.1)
