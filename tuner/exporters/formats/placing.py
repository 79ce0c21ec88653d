"""Puts an export in place: it appears whole or not at all, and replaces nothing."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from tuner.errors import SetupError
from tuner.exporters.formats.described import ExportedStudy
from tuner.registry import EXPORTERS


def export_study(name: str, study: ExportedStudy, target: Path) -> None:
    """Have an exporter write a study to a path at which nothing exists.

    Args:
        target: path of the file or folder to create; its parent folder must exist.

    Raises:
        UnknownNameError: there is no such exporter.
        SetupError: something exists at the path, it cannot be written, or a package's exporter
            failed.
    """
    make = EXPORTERS.make(name)
    package = EXPORTERS.package_of(name)
    try:
        _refuse_what_is_there(target)
        with tempfile.TemporaryDirectory(prefix=".tuner-export-", dir=target.parent) as beside:
            made = Path(beside, target.name)
            try:
                make(study, made)
            # A fault of a package is reported as such, wherever it happened.
            except Exception as exc:
                if package is None or isinstance(exc, OSError):
                    raise
                reason = " ".join(f"{type(exc).__name__}: {exc}".split())[:300]
                raise SetupError(f"the exporter {name!r} of {package} failed: {reason}") from exc
            if not os.path.lexists(made):
                raise SetupError(f"the exporter {name!r} of {package or 'Tuner'} wrote nothing")
            _move(made, target)
    except OSError as exc:
        said = f"{target}: cannot be written: {exc.strerror or exc}; choose another with -o"
        raise SetupError(said) from exc


def _refuse_what_is_there(target: Path) -> None:
    if os.path.lexists(target):
        raise SetupError(f"{target} already exists; choose another with -o, or remove it")


def _move(made: Path, target: Path) -> None:
    """Move a file or folder into place without replacing what has appeared there meanwhile."""
    if made.is_dir():
        _refuse_what_is_there(target)
        made.rename(target)
        return
    try:
        os.link(made, target)
    except FileExistsError:
        _refuse_what_is_there(target)
    except OSError as exc:
        # Some file systems do not support links.
        if exc.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        _refuse_what_is_there(target)
        shutil.move(made, target)
