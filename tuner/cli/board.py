"""`tuner board`: TensorBoard on one study."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.arguments import AnyStudy, settings
from tuner.cli.choice import take_study
from tuner.cli.signals import interruptible
from tuner.errors import SetupError, UnavailableError
from tuner.settings import Settings

#: TensorBoard's own default; the next free one is taken when it is in use.
FIRST_PORT = 6006
_PORTS = 100
_START_S = 60.0
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
    from tuner.cli.output import err, out
    from tuner.cli.waiting import waiting

    config = settings()
    if importlib.util.find_spec("tensorboard") is None:
        raise SetupError("TensorBoard is not installed; pip install tensorboard")
    name = study or _newest(config)
    folder = config.log_root / name
    if study is not None and not folder.is_dir():
        _require_study(name, folder)
    chosen = _free_port(port)
    if port is None and chosen != FIRST_PORT:
        err().print(f"port {FIRST_PORT} is taken; using {chosen}")
    with tempfile.TemporaryDirectory(prefix="tuner-board-") as scratch, interruptible():
        log = Path(scratch, "tensorboard.log")
        process = _start(folder, chosen, log)
        try:
            with waiting("starting TensorBoard"):
                _wait_ready(process, chosen, log)
            out().print(f"TensorBoard on [name]{name}[/]: http://{_HOST}:{chosen}/#hparams")
            out().print("[quiet]Ctrl-C ends it[/]")
            sys.stdout.flush()
            process.wait()
        finally:
            _end(process)
    raise UnavailableError(f"TensorBoard has ended with status {process.returncode}")


def _newest(config: Settings) -> str:
    from tuner.local import open_reader

    with open_reader(config) as api:
        return take_study(api, None)


def _require_study(name: str, folder: Path) -> None:
    from tuner.local import open_reader

    with open_reader(settings()) as api:
        api.status(name)
    if not folder.parent.parent.is_dir():
        raise SetupError(f"{folder.parent.parent}: there is no such log root; set TUNER_LOG_ROOT")


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


def _start(folder: Path, port: int, log: Path) -> subprocess.Popen[bytes]:
    from tuner.local.process import start_python

    options = ["--logdir", str(folder), "--host", _HOST, "--port", str(port)]
    return start_python(
        "tensorboard.main",
        *options,
        *("--reload_interval", "5"),
        # By default a thousand points of a curve, drawn at random: a study has one for each trial.
        *("--samples_per_plugin", "scalars=10000"),
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        log=log,
        bound=True,
    )


def _wait_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    from tuner.local.process import read_tail

    deadline = time.monotonic() + _START_S
    url = f"http://{_HOST}:{port}/data/environment"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise UnavailableError(
                f"TensorBoard ended at once with status {process.returncode}:\n{read_tail(log)}"
            )
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.1)
    raise UnavailableError(f"TensorBoard did not answer at {url} within {_START_S:.0f} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End TensorBoard and its data server."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
