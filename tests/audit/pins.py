"""Every package that a lock of this repository names, at its version."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.environments import ROOT

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Pin:
    """One package at one version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def normal(name: str) -> str:
    """Return a package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locks(root: Path = ROOT) -> list[Path]:
    """Return the locks."""
    return sorted([*root.glob("requirements-*.lock"), *root.glob("docker/requirements-*.lock")])


def read_pins(files: list[Path]) -> dict[Pin, list[str]]:
    """Return each pin with the locks that it stands in.

    The markers are left out: what is installed on another machine is looked at here as well.
    """
    found: dict[Pin, list[str]] = {}
    for file in files:
        for name, version in _PIN.findall(file.read_text()):
            found.setdefault(Pin(normal(name), version), []).append(file.name)
    return found
