"""The command that runs a study here, saved so that it can be shown when the run is gone.

Closing a terminal also ends `tuner run`: then nothing else can say how to continue.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from tuner.local.home import write_json
from tuner.settings import Settings


def note_command(settings: Settings, study: str, spec: Path, options: list[str]) -> None:
    """Save how a study is run; if that cannot be written, the study runs nevertheless.

    Args:
        study: its name.
        options: those of `tuner run` that were given.
    """
    path = _path(settings, study)
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(path, {"spec": str(spec.absolute()), "options": options})


def read_command(settings: Settings, study: str) -> tuple[Path, list[str]] | None:
    """Return spec and options of the last `tuner run` of a study here, None if there was none."""
    try:
        noted = json.loads(_path(settings, study).read_text())
        spec, options = Path(noted["spec"]), [str(option) for option in noted["options"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (spec, options) if spec.is_file() else None


def forget_command(settings: Settings, study: str) -> None:
    """Forget how a study was run, when it is deleted."""
    with contextlib.suppress(OSError):
        _path(settings, study).unlink()


def _path(settings: Settings, study: str) -> Path:
    project, _, name = study.partition("/")
    return settings.home / "runs" / "commands" / project / f"{name}.json"
