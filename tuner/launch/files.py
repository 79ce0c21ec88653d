"""Files of a launch: its script and logs in the home, and the token file that its workers read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tuner.errors import SetupError
from tuner.settings import Settings

_MOST_TOKEN_BYTES = 10_000


def find_token_file(
    settings: Settings, environ: Mapping[str, str], given: Path | None, *, one_host: bool
) -> Path:
    """Return the file from which the workers read their token.

    Args:
        given: by option.
        one_host: the cluster is this machine, whose home has a token.

    Raises:
        SetupError: there is none, or it cannot be read.
    """
    named = environ.get("TUNER_TOKEN_FILE")
    path = given or (Path(named) if named else None)
    if path is None and one_host and not settings.token:
        path = settings.token_path
    if path is None:
        why = "TUNER_TOKEN is not a file" if settings.token else "no file is named"
        raise SetupError(
            f"the workers need a file with their token, at one path on every node: {why}; make "
            f"one with: tuner token create NAME --scope work -o FILE, and name it with --token-file"
        )
    path = path.expanduser().absolute()
    read_token_file(path)
    return path


def read_token_file(path: Path) -> str:
    """Return the token in a file.

    Raises:
        SetupError: it cannot be read, or is empty.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_TOKEN_BYTES).decode(errors="replace").strip()
    except OSError as exc:
        raise SetupError(f"--token-file {path}: cannot be read: {exc.strerror}") from exc
    if not text:
        raise SetupError(f"--token-file {path}: is empty")
    return text


def launches_folder(settings: Settings) -> Path:
    """Return the folder of scripts and logs of launches; it may not exist yet."""
    return settings.home / "launches"


def make_launches_folder(settings: Settings) -> Path:
    """Return the folder of scripts and logs of launches, created with access for its owner only.

    Raises:
        SetupError: it cannot be created.
    """
    folder = launches_folder(settings)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise SetupError(
            f"{folder}: cannot be made: {exc.strerror}; set TUNER_HOME to a folder that this "
            f"machine and the nodes share"
        ) from exc
    return folder


def keep_script(settings: Settings, name: str, text: str) -> Path:
    """Write an owner-only script to the folder of launches; return its path.

    Raises:
        SetupError: it cannot be written.
    """
    path = make_launches_folder(settings) / name
    try:
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
    except OSError as exc:
        raise SetupError(f"{path}: cannot be written: {exc.strerror}") from exc
    return path
