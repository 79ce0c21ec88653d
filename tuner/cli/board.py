"""`tuner board`: TensorBoard on one study."""

from __future__ import annotations

import importlib.util
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.arguments import AnyStudy, settings
from tuner.cli.choice import take_study
from tuner.cli.signals import interruptible
from tuner.errors import SetupError
from tuner.roots import Place
from tuner.settings import Settings

#: TensorBoard's own default; the next free one is taken when it is in use.
FIRST_PORT = 6006
_PORTS = 100
_HOST = "127.0.0.1"


def board(
    study: AnyStudy = None,
    *,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help=f"Default: {FIRST_PORT}, else the next free one."),
    ] = None,
) -> None:
    """Open TensorBoard on a study, until Ctrl-C.

    Its HParams tab compares the trials by their parameters and their objective.
    """
    from tuner.board.running import Site, open_board
    from tuner.cli.output import err, out
    from tuner.cli.waiting import waiting

    config = settings()
    if importlib.util.find_spec("tensorboard") is None:
        raise SetupError("TensorBoard is not installed; pip install tensorboard")
    name = study or _newest(config)
    place = Place(config.log_root, name)
    if study is not None and not place.exists():
        _require_study(name, config.log_root)
    chosen = _free_port(port)
    if port is None and chosen != FIRST_PORT:
        err().print(f"port {FIRST_PORT} is taken; using {chosen}")
    site = Site(
        study=place,
        host=_HOST,
        port=chosen,
        tell=lambda line: err().print(line, markup=False, soft_wrap=True),
    )
    with interruptible(), open_board(site) as process:
        with waiting("starting TensorBoard"):
            process.start()
        out().print(f"TensorBoard on [name]{name}[/]: http://{_HOST}:{chosen}/#hparams")
        out().print("[quiet]Ctrl-C ends it[/]")
        sys.stdout.flush()
        process.keep()


def _newest(config: Settings) -> str:
    from tuner.local import open_reader

    with open_reader(config) as api:
        return take_study(api, None)


def _require_study(name: str, root: Path) -> None:
    from tuner.local import open_reader

    with open_reader(settings()) as api:
        api.status(name)
    if not root.is_dir():
        raise SetupError(f"{root}: there is no such log root; set TUNER_LOG_ROOT")


def _free_port(port: int | None) -> int:
    if port is not None:
        if not _is_free(port):
            raise SetupError(f"--port {port} is taken; leave it out for the next free one")
        return port
    for candidate in range(FIRST_PORT, FIRST_PORT + _PORTS):
        if _is_free(candidate):
            return candidate
    raise SetupError(f"no port from {FIRST_PORT} to {FIRST_PORT + _PORTS - 1} is free; use --port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True
