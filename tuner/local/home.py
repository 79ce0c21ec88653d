"""The home folder: its lock, its token, and `service.json`, which says how to reach the service."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from tuner.errors import SetupError, UnavailableError
from tuner.local.closing import close_home
from tuner.security.identity import new_token
from tuner.settings import Settings

#: Seconds that a command waits for another one that holds the lock only during a change.
LOCK_WAIT_S = 10.0

#: Message for a lock that is taken; `tuner run` looks for it in the log of a service that lost the
#: race.
IN_USE = "is in use by another Tuner process"


@dataclass(frozen=True, kw_only=True)
class ServiceInfo:
    """The content of `service.json`."""

    pid: int
    url: str
    #: ISO 8601, UTC.
    started: str
    release: str
    #: False: the service ends with the last `tuner run` that uses it.
    persistent: bool
    #: Which Redis was chosen and why, for display.
    redis: str


class HomeLock:
    """The exclusive right to write to the home's database: held by the service or one command.

    The kernel releases the lock when the process ends, in whatever way.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def acquire(self, *, wait_s: float = 0.0) -> None:
        """Take the lock.

        Raises:
            UnavailableError: another process still holds it after `wait_s`; the text names its pid.
            SetupError: the home is not writable.
        """
        make_home(self.path.parent)
        fd = _open(self.path)
        deadline = time.monotonic() + wait_s
        while not try_lock(fd):
            if time.monotonic() >= deadline:
                holder = os.pread(fd, 100, 0).decode(errors="replace").strip() or "unknown"
                os.close(fd)
                raise UnavailableError(f"{self.path.parent} {IN_USE} (pid {holder})")
            time.sleep(0.05)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Release the lock."""
        if self._fd is not None:
            # What others than us have created meanwhile, such as SQLite's files.
            close_home(self.path.parent)
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        if self._fd is None:
            self.acquire(wait_s=LOCK_WAIT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def home_lock(settings: Settings) -> HomeLock:
    """Return the home's lock, not yet taken."""
    return HomeLock(settings.home / "lock")


def try_lock(fd: int) -> bool:
    """Return whether the exclusive lock on an open file could be taken without waiting."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def make_home(home: Path) -> None:
    """Create the home, readable by its owner only; fixes the mode of one from an earlier release.

    Raises:
        SetupError: it cannot be created.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise SetupError(
            f"{home}: cannot be used as Tuner's home: {exc.strerror}; "
            f"set TUNER_HOME to a folder that you can write"
        ) from exc
    close_home(home)


def make_token(settings: Settings) -> str:
    """Return the token of the local service, created at the first call (mode 600)."""
    if settings.token:
        return settings.token
    try:
        fd = os.open(settings.token_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        token = read_token(settings)
        if token:
            return token
        settings.token_path.unlink(missing_ok=True)
        return make_token(settings)
    token = new_token()
    with os.fdopen(fd, "w") as file:
        file.write(token + "\n")
    return token


def read_token(settings: Settings) -> str | None:
    """Return the token that was configured, or else the home's, or else None."""
    if settings.token:
        return settings.token
    try:
        return settings.token_path.read_text().strip() or None
    except OSError:
        return None


def read_service(settings: Settings) -> ServiceInfo | None:
    """Return the content of `service.json`, whether or not the process is still alive."""
    try:
        return ServiceInfo(**json.loads(settings.service_path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def running_service(settings: Settings) -> ServiceInfo | None:
    """Return the content of `service.json` if its process is alive, without using the network."""
    info = read_service(settings)
    if info is None or not is_running(info.pid):
        return None
    # The pid of a killed service may have been reused by another process.
    with contextlib.suppress(OSError):
        if b"serve" in Path(f"/proc/{info.pid}/cmdline").read_bytes().split(b"\0"):
            return info
    return None


def write_service(settings: Settings, info: ServiceInfo) -> None:
    """Write `service.json` atomically."""
    write_json(settings.service_path, asdict(info))


def write_port(settings: Settings, url: str, *, which: str = "port") -> None:
    """Record the port of a service for the next one: workers look for it at the same address."""
    write_json(settings.home / which, urlsplit(url).port)


def read_port(settings: Settings, *, which: str = "port") -> int | None:
    """Return the port of the last service, None if unknown."""
    try:
        port = json.loads((settings.home / which).read_bytes())
    except (OSError, ValueError):
        return None
    return port if isinstance(port, int) and 0 < port < 2**16 else None


def keep_service(settings: Settings) -> None:
    """Let the running service continue when the last `tuner run` ends."""
    info = read_service(settings)
    if info is not None and not info.persistent:
        write_service(settings, replace(info, persistent=True))


def write_json(path: Path, data: object) -> None:
    """Replace a small JSON file atomically; no reader sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(data, indent=2) + "\n")
    temporary.replace(path)


def is_running(pid: int) -> bool:
    """Return whether a process with this pid exists and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in ("Z", "X")


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise SetupError(
            f"{path}: cannot be written: {exc.strerror}; "
            f"set TUNER_HOME to a folder that you can write"
        ) from exc
