"""A private Redis: one process on a Unix socket, for one account, that dies with its parent."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import redis

from tuner.errors import SetupError
from tuner.queue.redis_access import RedisAccess
from tuner.runtime.system import end_child, make_bond

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0

_FOLDER_PREFIX = "tuner-redis-"


class RedisServer:
    """A private Redis process; mutable because the process may be restarted while its URL stays.

    It listens on no port, lives in a folder of mode 700, and keeps an append-only file. It is set
    to die with the *thread* that starts it (Linux ties this to threads), so `start` must be called
    from a thread that lives as long as the process: the main thread.

    Args:
        binary: the `redis-server` or `valkey-server` to run.
        data: folder of the append-only file and the log; made when missing.
        access: users and passwords; without it, anybody who reaches the socket may do everything.
        version: of the binary; determines which commands it knows.
    """

    def __init__(
        self,
        binary: Path,
        data: Path,
        *,
        access: RedisAccess | None = None,
        version: tuple[int, ...] = (),
    ) -> None:
        self.binary = binary
        self.data = data
        self._folder = _make_socket_folder()
        self._socket = self._folder / "redis.sock"
        self._access = access and replace(access, socket=str(self._socket))
        self._version = version
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def access(self) -> RedisAccess | None:
        """Users and passwords, with the socket; None: no access control."""
        return self._access

    @property
    def url(self) -> str:
        """The URL for sending wake-ups; it stays the same for the life of this object."""
        return self._access.url("server") if self._access else f"unix://{self._socket}"

    @property
    def worker_url(self) -> str:
        """The URL for fetching wake-ups, which permits nothing else."""
        return self._access.url("worker") if self._access else self.url

    @property
    def log_path(self) -> Path:
        """The server's log."""
        return self.data / "redis.log"

    @property
    def pid(self) -> int | None:
        """The process id, or None if it is not running."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start the server unless it is running, and return when it answers.

        It holds only wake-ups, so unreadable data is set aside and it starts empty.

        Raises:
            SetupError: it does not start; the text includes the end of its log.
        """
        if self.pid is not None:
            return
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.mkdir(exist_ok=True, mode=0o700)
        self._configure()
        if self._launch():
            return
        if aside := _set_aside(self.data):
            logger.warning("redis data unreadable, starting empty", extra={"kept": str(aside)})
            if self._launch():
                return
        raise SetupError(
            f"{self.binary} does not start; the end of {self.log_path}:\n{_tail(self.log_path)}"
        )

    def stop(self) -> None:
        """Stop the server, keeping its data, and remove its socket; idempotent."""
        process, self._process = self._process, None
        if process is not None:
            end_child(process, STOP_TIMEOUT_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _launch(self) -> bool:
        self._process = subprocess.Popen(
            [self.binary, self._config_path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            # In a session of its own: on Ctrl-C the API must end before its Redis.
            start_new_session=True,
            # SIGTERM, not SIGKILL: the server then writes what it has not yet synced.
            preexec_fn=make_bond(),
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < deadline:
            if self._answers():
                return True
            time.sleep(0.01)
        self._process.kill()
        self._process.wait()
        return False

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(self.url) as client:
            return bool(client.ping())
        return False

    @property
    def _config_path(self) -> Path:
        return self.data / "redis.conf"

    def _configure(self) -> None:
        """Write the configuration: to a file, because every account can see command lines."""
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "600",
            "dir": str(self.data),
            "logfile": str(self.log_path),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        lines = [f"{key} {_quote(value)}" for key, value in options.items()]
        lines += self._access.rules(self._version) if self._access else []
        self._config_path.unlink(missing_ok=True)
        self._config_path.touch(mode=0o600)
        self._config_path.write_text("\n".join(lines) + "\n", errors="surrogateescape")


def _quote(value: str) -> str:
    """Return a value quoted for Redis' configuration file."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _make_socket_folder() -> Path:
    """Return a new folder of mode 700 with a short path: a socket's path has at most 107 bytes."""
    own = Path(f"/run/user/{os.getuid()}")
    root = own if os.access(own, os.W_OK) else Path(tempfile.gettempdir())
    if len(os.fsencode(root)) > 60:
        root = Path("/tmp")  # noqa: S108 - mkdtemp makes a private folder in it  # nosec B108  # mkdtemp
    _sweep(root)
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-", dir=root))


def _sweep(root: Path) -> None:
    """Remove the folders of killed processes; a folder's name contains its owner's pid."""
    for folder in root.glob(f"{_FOLDER_PREFIX}*"):
        owner = folder.name.removeprefix(_FOLDER_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.getuid() and not Path("/proc", owner).exists():
                shutil.rmtree(folder, ignore_errors=True)


def _set_aside(data: Path) -> Path | None:
    """Move the server's data away, replacing older such data; None: there was nothing to move."""
    aside = data / "unreadable"
    written = [path for path in data.iterdir() if path.name.startswith(("appendonly", "dump"))]
    if not written:
        return None
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    for path in written:
        path.rename(aside / path.name)
    return aside


def _tail(log: Path) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-10:])
    except OSError as exc:
        return f"(unreadable: {exc.strerror})"
