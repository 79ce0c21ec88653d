"""A running TensorBoard: started, updated, restarted, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tuner.board.confinement import board_environment
from tuner.board.landlock import landlock_abi
from tuner.board.launcher import READER_ENDED
from tuner.board.view import View
from tuner.errors import UnavailableError
from tuner.local.process import read_tail, start_python
from tuner.roots import Place

_START_S = 60.0
_MEMORY = "/dev/shm"  # noqa: S108 - a folder of a random name is made there  # nosec B108  # a folder of a random name is made there
#: Maximum number of starts in one run: a recurring crash would otherwise go on forever.
_MOST_STARTS = 5
#: Seconds between updates of the view, which never takes more than a tenth of the time.
_EVERY_S = 1.0
_SHARE = 10
#: Number of reasons for files not shown that are listed individually.
_TOLD = 3

#: The number of levels down to a run in each of them; unknown for a foreign folder.
STUDY, PROJECT, LOG_ROOT, FOLDER = 1, 2, 3, 0

NO_LANDLOCK = (
    "this kernel, or the container, has no Landlock: TensorBoard is less confined, and may read "
    "what you may read"
)


@dataclass(frozen=True, kw_only=True)
class Site:
    """What TensorBoard is started on, and where.

    Args:
        source: the folder to show: a study's, a project's, the log root, or any other.
        runs_at: number of levels down to its runs, see `View`.
        tell: called with lines for a person.
    """

    source: Place
    host: str
    port: int
    tell: Callable[[str], object]
    runs_at: int = STUDY

    @property
    def holds_several(self) -> bool:
        """Whether several studies of ours are shown, which the HPARAMS tab would mix."""
        return self.runs_at in (PROJECT, LOG_ROOT)


class Board:
    """TensorBoard. Mutable: it runs, and may be restarted. Made by `open_board`."""

    def __init__(self, site: Site, scratch: Path, shown: Path) -> None:
        self._site = site
        self._home = scratch / "home"
        self._home.mkdir()
        self._log = scratch / "tensorboard.log"
        # Under the source's name, because the pages show where the data comes from.
        name = site.source.relative or site.source.root.name or "logs"
        self._view = View(site.source, shown / name, runs_at=site.runs_at)
        self._notes = self._home / "notes"
        self._told: set[str] = set()
        self._is_confined = landlock_abi() > 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            UnavailableError: it ended immediately or does not answer; the text has its output.
        """
        if not self._is_confined:
            self._site.tell(NO_LANDLOCK)
        try:
            self._start()
        except UnavailableError:
            if not self._is_confined:
                raise
            # Its Python may be in an unexpected place.
            self._is_confined = False
            self._start()
            self._site.tell(
                "TensorBoard does not start when it is confined: it is not confined now"
            )
        for note in _read_notes(self._notes):
            self._site.tell(note)

    def keep(self) -> NoReturn:
        """Keep what it shows up to date, until it ends for good.

        Raises:
            UnavailableError: it ended by itself.
        """
        starts = 1
        while True:
            status = self._wait()
            if status != READER_ENDED or starts >= _MOST_STARTS:
                raise UnavailableError(
                    f"TensorBoard has ended with status {status}:\n{read_tail(self._log)}"
                )
            starts += 1
            self._site.tell("TensorBoard's data server has ended; starting it again")
            self._start()

    def close(self) -> None:
        """End TensorBoard and its data server."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self) -> None:
        self.close()
        root, view = self._site.source.root, self._view.folder
        options = ["--host", self._site.host, "--port", str(self._site.port)]
        ready = self._home / "ready"
        ready.unlink(missing_ok=True)
        options += ["--log-root", str(root), "--view", str(view), "--ready", str(ready)]
        options += ["--notes", str(self._notes)]
        options += ["--without", "hparams"] if self._site.holds_several else []
        options += [] if self._is_confined else ["--unconfined"]
        self._notes.unlink(missing_ok=True)
        self._process = start_python(
            "tuner.board.launcher",
            *options,
            env=board_environment(os.environ, self._home, self._site.source.path.absolute()),
            log=self._log,
            bound=True,
        )
        # While its modules are being loaded, which takes seconds.
        self._refresh()
        ready.touch()
        self._wait_ready(self._process)

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_S
        url = f"http://127.0.0.1:{self._site.port}/data/environment"
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise UnavailableError(
                    f"TensorBoard ended at once with status {process.returncode}:\n"
                    f"{read_tail(self._log)}"
                )
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(url, timeout=5).close()  # nosec B310  # an address of our own making, on this machine
                return
            time.sleep(0.1)
        raise UnavailableError(f"TensorBoard did not answer at {url} within {_START_S:.0f} s")

    def _wait(self) -> int:
        """Refresh the view until TensorBoard ends; return its exit status."""
        process = self._process
        if process is None:
            raise RuntimeError("TensorBoard was not started")
        pause_s = _EVERY_S
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=pause_s)
            began = time.monotonic()
            self._refresh()
            pause_s = max(_EVERY_S, _SHARE * (time.monotonic() - began))

    def _refresh(self) -> None:
        self._view.refresh()
        new = {path: why for path, why in self._view.left_out.items() if path not in self._told}
        for path, why in list(new.items())[: max(0, _TOLD - len(self._told))]:
            self._site.tell(f"not shown: {self._site.source.below(path).path} {why}")
        if new and len(self._told) <= _TOLD < len(self._told) + len(new):
            self._site.tell("more files are not shown, for reasons of this kind")
        self._told.update(new)


@contextlib.contextmanager
def open_board(site: Site) -> Iterator[Board]:
    """Make a board with a scratch folder of its own; it ends with the block."""
    name = "tuner-board-"
    with (
        tempfile.TemporaryDirectory(prefix=name) as scratch,
        # Thousands of links: immediate in memory, a second on a disk.
        tempfile.TemporaryDirectory(prefix=name, dir=_MEMORY if _has_memory() else None) as shown,
    ):
        board = Board(site, Path(scratch), Path(shown))
        try:
            yield board
        finally:
            board.close()


def _read_notes(notes: Path) -> list[str]:
    try:
        return list(dict.fromkeys(notes.read_text(errors="replace").splitlines()))[:_TOLD]
    except OSError:
        return []


def _has_memory() -> bool:
    return os.access(_MEMORY, os.W_OK | os.X_OK)
