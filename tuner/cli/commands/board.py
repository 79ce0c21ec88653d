"""`tuner board`: TensorBoard on a study, on all of them, or on a folder of logs."""

from __future__ import annotations

import importlib.util
import socket
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.arguments import settings
from tuner.cli.printing import print_text, say
from tuner.cli.reading.board_link import tab_link
from tuner.cli.signals import interruptible
from tuner.errors import SetupError
from tuner.local.boards import RunningBoard, noted_board

if TYPE_CHECKING:
    from tuner.cli.board_target import BoardTarget
    from tuner.settings import Settings

#: TensorBoard's default; if it is in use, the next free port is taken.
FIRST_PORT = 6006
_PORTS = 100
_HOST = "127.0.0.1"


def board(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY",
            help="project/study, a project, or a folder of HParams logs (default: all studies)",
        ),
    ] = None,
    *,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help=f"Default: {FIRST_PORT}, else the next free one."),
    ] = None,
) -> None:
    """Open TensorBoard on the best trials of a study, until Ctrl-C.

    With several studies, it shows their list first. A folder may hold HParams logs of any tool:
    KerasTuner, PyTorch, Keras' own callback. Write ./ before a folder that has a study's name.
    """
    from tuner.board.running import Site, open_board
    from tuner.cli.board_target import find_target
    from tuner.cli.render.waiting import waiting

    config = settings()
    if importlib.util.find_spec("tensorboard") is None:
        raise SetupError("TensorBoard is not installed; pip install tensorboard")
    target = find_target(config, what)
    _require_root(config, target)
    chosen = _free_port(port)

    if target.note:
        say(target.note)
    if port is None and chosen != FIRST_PORT:
        say(f"port {FIRST_PORT} is taken; using {chosen}")
    site = Site(source=target.source, runs_at=target.runs_at, host=_HOST, port=chosen, tell=say)
    url = f"http://{_HOST}:{chosen}"
    with interruptible(), open_board(site) as process:
        with waiting("starting TensorBoard"):
            process.start()
        with noted_board(config, RunningBoard(url=url, source=target.source.path)):
            link = tab_link(url, target.study)
            print_text(f"TensorBoard on {target.title}: {link}")
            if site.holds_several:
                said = "no HPARAMS tab, which would mix the studies: name one for it"
                print_text(said, style="quiet")
            print_text("Ctrl-C ends it", style="quiet")
            sys.stdout.flush()
            process.keep()


def _require_root(config: Settings, target: BoardTarget) -> None:
    if not target.source.exists() and not config.log_root.is_dir():
        raise SetupError(f"{config.log_root}: there is no such log root; set TUNER_LOG_ROOT")


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
