"""The embedded service: joined if it runs, started if it does not, ended by its last user."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tuner.errors import SetupError, UnavailableError
from tuner.local.home import (
    IN_USE,
    ServiceInfo,
    is_running,
    make_home,
    read_service,
    read_token,
    running_service,
)
from tuner.local.process import end_process, read_tail, start_python
from tuner.runtime.system import require_linux
from tuner.security.trust import Trust
from tuner.settings import Settings

if TYPE_CHECKING:  # where no service runs, a reading command does without httpx
    from tuner.client import ApiClient

START_TIMEOUT_S = 60.0
#: Exit status of `tuner serve` if something must be repaired: no Redis, a newer database.
_EXIT_WRONG = 2


def live_service(settings: Settings) -> ServiceInfo | None:
    """Return the running service of this home, None if there is none.

    Raises:
        SetupError: it has another protocol version.
        UnavailableError: its process is alive but does not answer.
    """
    info = running_service(settings)
    if info is None:
        return None
    from tuner.client import ApiClient

    with ApiClient(info.url, None) as api:
        try:
            health = api.health()
        except UnavailableError:
            if not is_running(info.pid):
                return None
            raise
        if health.get("pid") != info.pid:
            return None
        api.check_protocol()
    return info


def connect(settings: Settings, info: ServiceInfo) -> ApiClient:
    """Return a connection to the local service."""
    from tuner.client import ApiClient

    # It listens on this machine, whatever its address.
    return ApiClient(info.url, read_token(settings), Trust(plain_http=True))


def join_service(
    settings: Settings, environ: Mapping[str, str], *, persistent: bool, port: int | None = None
) -> tuple[ServiceInfo, bool]:
    """Return the running service and whether this call started it.

    Args:
        environ: the environment for the service.
        persistent: it stays until `tuner down`; False: it ends with the last `tuner run`.
        port: for a new service; by default that of the last one, if free.

    Raises:
        SetupError: it cannot start here: the text is its output, or this is not Linux.
        UnavailableError: it did not start in time.
    """
    require_linux("the Tuner service")
    make_home(settings.home)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        info = live_service(settings)
        if info is not None:
            return info, False
        info = _start(settings, environ, persistent=persistent, port=port, deadline=deadline)
        if info is not None:
            return info, True
        time.sleep(0.1)
    log = settings.home / "service.log"
    raise UnavailableError(
        f"the Tuner service did not come up within {START_TIMEOUT_S:.0f} s; the end of {log}:\n"
        + read_tail(log)
    )


def restart_service(
    settings: Settings, environ: Mapping[str, str], info: ServiceInfo
) -> ServiceInfo:
    """Restart a crashed service at its old address, so that its workers find it."""
    port = urlsplit(info.url).port
    new, _ = join_service(settings, environ, persistent=info.persistent, port=port)
    return new


def end_service(settings: Settings, info: ServiceInfo, *, grace_s: float) -> bool:
    """End the service and wait for it; return whether it ended by itself."""
    ended = end_process(info.pid, grace_s=grace_s)
    left = read_service(settings)
    if not ended and left is not None and left.pid == info.pid:
        settings.service_path.unlink(missing_ok=True)
    return ended


def _start(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    persistent: bool,
    port: int | None,
    deadline: float,
) -> ServiceInfo | None:
    """Return the started service, None if another process was faster and should be joined."""
    log = settings.home / "service.log"
    since = log.stat().st_size if log.exists() else 0
    options = [] if port is None else ["--port", str(port)]
    options += [] if persistent else ["--while-used"]
    process = start_python("tuner", "serve", *options, env=environ, log=log, bound=False)
    try:
        while time.monotonic() < deadline:
            info = read_service(settings)
            if info is not None and info.pid == process.pid:
                return info
            if process.poll() is not None:
                _explain(settings, process.returncode, read_tail(log, since=since))
                return None
            time.sleep(0.05)
    except KeyboardInterrupt:
        # Nobody knows of it yet, so nobody else would end it.
        process.terminate()
        raise
    end_process(process.pid, grace_s=5.0)
    return None


def _explain(settings: Settings, status: int, said: str) -> None:
    """Raise the output of a service that ended immediately, unless another one holds the home."""
    if IN_USE in said:
        return
    text = said.removeprefix("tuner: ")
    if status == _EXIT_WRONG:
        raise SetupError(text)
    raise UnavailableError(
        f"the Tuner service ended at once with status {status}; the end of "
        f"{settings.home / 'service.log'}:\n{text}"
    )
