"""The output of `tuner init compose`: what it wrote, and the next commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from tuner.cli.calling import command
from tuner.cli.writing.compose_folder import SECRETS, SETTINGS, ComposeFolder

_HERE = "127.0.0.1"


def compose_text(made: ComposeFolder) -> str:
    """Return the lines to print."""
    return "\n".join([*_files(made), *_next(made)])


def _files(made: ComposeFolder) -> Iterator[str]:
    for name, state in made.files.items():
        path = made.folder / name
        if state == "differs":
            yield f"kept     {path}: differs from this release's; move it away to get that one"
        else:
            yield f"{state:9}{path}"
    if made.secrets:
        yield f"secrets  {made.folder / SECRETS}: {', '.join(made.secrets)}"
    for name in made.ignored:
        said = made.settings.get(name, "")
        yield f"note     {made.folder / SETTINGS} was there and says {name}={said}; it stays"
    if not made.has_changed:
        yield "nothing was changed: everything was there"


def _next(made: ComposeFolder) -> Iterator[str]:
    settings = made.settings
    folder = made.folder
    if made.missing:
        names = " and ".join(made.missing)
        yield f"first    put {names} into {folder / SETTINGS}, by digest"
    cd = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    yield f"start    {cd}docker compose up --detach --scale worker=2"
    token = shlex.quote(str((folder / SECRETS / "token").absolute()))
    port = settings.get("TUNER_PORT") or "8080"
    url = f"http://{_HERE}:{port}"
    yield f"use it   export TUNER_API_URL={url} TUNER_TOKEN_FILE={token} && {command('list')}"
    board = settings.get("TUNER_BOARD_PORT") or "6006"
    password = folder / SECRETS / "board_password"
    yield f"board    https://localhost:{board}, user tuner, password in {password}"
    if (settings.get("TUNER_ADDRESS") or _HERE) != _HERE:
        tls = settings.get("TUNER_TLS_PORT") or "8443"
        yield (
            f"others   https://HOST:{tls} with TUNER_CA_FILE, a copy of "
            f"{folder / SECRETS / 'tls.crt'}, and a token each: {command('token', 'create')}"
        )
