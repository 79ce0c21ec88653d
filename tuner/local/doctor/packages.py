"""Checks Python, this release, and the packages that trials and screens need."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from collections.abc import Iterator

from tuner.local.doctor.finding import DoctorFinding, failed, ok, warning
from tuner.registry import REGISTRIES
from tuner.release import release
from tuner.runtime.system import is_linux, pip_install
from tuner.settings import Settings
from tuner.storage.revisions import newest

_SHOWN = ("optuna", "tensorflow", "tensorflow-cpu", "keras")


def look_at_packages(_settings: Settings) -> Iterator[DoctorFinding]:
    """Yield the installed versions."""
    found = [f"{name} {version}" for name in _SHOWN if (version := _version(name))]
    yield ok(
        "versions", ", ".join([f"Tuner {release()}", f"Python {platform.python_version()}", *found])
    )
    if not is_linux():
        yield warning(
            "versions",
            f"{platform.system()}: service and workers need Linux",
            "docs/install.md says what works here",
        )
    if _version("optuna") is None:
        yield failed("versions", "optuna is not installed", pip_install(".[server]"))
    elif newest().optuna is None:
        yield failed("versions", "this optuna has no migrations", pip_install("optuna"))
    if importlib.util.find_spec("tensorboard") is None:
        yield warning(
            "TensorBoard", "not installed: tuner board needs it", pip_install("tensorboard")
        )
    else:
        yield ok("TensorBoard", f"{_version('tensorboard')}; tuner board opens it")
    yield from _look_at_plugins()


def _look_at_plugins() -> Iterator[DoctorFinding]:
    """Yield the plugins of other packages, each imported once, and what is wrong with them."""
    for registry in REGISTRIES:
        added = [name for name in registry.usable() if name not in registry.built_in]
        if added:
            named = ", ".join(f"{name} of {registry.package_of(name)}" for name in added)
            yield ok("plugins", f"{registry.noun}s: {named}")
        for problem in registry.problems():
            yield warning("plugins", problem, "repair that package, or uninstall it")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
