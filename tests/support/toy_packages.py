"""Small packages with entry points, as somebody else would install them."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tuner.registry import REGISTRIES


def write_package(
    folder: Path,
    name: str,
    version: str,
    modules: Mapping[str, str],
    entry_points: str,
) -> None:
    """Write what pip leaves of a package: its modules, its metadata, its entry points.

    Args:
        folder: in which packages lie.
        name: of the distribution, as "toy-samplers".
        version: of it.
        modules: code by the module's name.
        entry_points: content of `entry_points.txt`.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entry_points)
    for module, code in modules.items():
        (folder / f"{module}.py").write_text(code)


@contextlib.contextmanager
def installed(folder: Path) -> Iterator[None]:
    """Have the packages of a folder installed during the block, and forgotten afterwards."""
    _forget()
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for module in set(sys.modules) - before:
            origin = getattr(sys.modules[module], "__file__", None) or ""
            if origin.startswith(str(folder)):
                del sys.modules[module]
        _forget()


@contextlib.contextmanager
def uninstalled(folder: Path) -> Iterator[None]:
    """Have the packages of a folder, installed around the block, gone during it."""
    at = sys.path.index(str(folder))
    del sys.path[at]
    _forget()
    try:
        yield
    finally:
        sys.path.insert(at, str(folder))
        _forget()


def _forget() -> None:
    for registry in REGISTRIES:
        registry.forget_plugins()
