"""Where a command runs: its own copy of the code snapshot, deleted with the trial.

A script writes into the folder in which it runs; the snapshot itself is shared by all trials of the
host, and never changes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from workers.command.errors import CommandError


@contextlib.contextmanager
def workplace(code_root: str | None) -> Iterator[Path]:
    """Yield the folder that a command runs in, and remove it afterwards.

    What a killed trial leaves is next to the snapshots, and is removed with old ones.

    Args:
        code_root: folder of the snapshot; None if the image holds the code, which is then run in
            the worker's own folder.

    Raises:
        CommandError: there is no space for the copy; another host may have some.
    """
    if code_root is None:
        yield Path.cwd()
        return
    source = Path(code_root)
    folder: str | None = None
    try:
        try:
            folder = tempfile.mkdtemp(prefix=f".work-{source.name[:12]}-", dir=source.parent)
            copy = shutil.copytree(source, Path(folder, "code"), symlinks=True)
        except OSError as exc:
            reason = f"the code cannot be copied for the command: {exc.strerror or exc}"
            raise CommandError(reason, "rejected") from exc
        yield copy
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def find_program(program: str, folder: Path, path: str) -> None:
    """Check that a program exists and may be executed.

    Args:
        program: a name that is looked up in `path`, or a path relative to `folder`.
        folder: the folder that the command runs in.
        path: folders separated by colons, as in `PATH`.

    Raises:
        CommandError: it does not; the text says what to do.
    """
    if os.sep not in program:
        if shutil.which(program, path=path) is None:
            aside = f"; {program} is a file of the code: write ./{program}, or its interpreter"
            raise CommandError(
                f"command: there is no program {program!r} on the worker's PATH"
                + (aside if (folder / program).is_file() else "")
            )
        return
    found = folder / program
    if not found.is_file():
        raise CommandError(f"command: there is no program {program!r} in the study's folder")
    if not os.access(found, os.X_OK):
        raise CommandError(
            f"command: {program!r} may not be executed; name its interpreter before it, as "
            f"[{'python' if program.endswith('.py') else 'sh'}, {program}]"
        )
