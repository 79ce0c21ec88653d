"""The service that a script uses, found as by `tuner run`: a configured server, or this home's."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from tuner.client import ApiClient
from tuner.errors import SetupError, UnavailableError
from tuner.keras.service.line import WorkerLine
from tuner.local.access import find_api, is_here
from tuner.local.home import ServiceInfo, is_running, read_service, read_token, running_service
from tuner.local.runs import LiveRun
from tuner.local.service import connect, end_service, join_service, restart_service
from tuner.security.trust import Trust
from tuner.settings import Settings, load_settings

logger = logging.getLogger(__name__)

#: Seconds within which the last user ends the home's service.
_END_S = 10.0


class ServiceLink:
    """A connection to the service, opened on first use. Thread-safe.

    Args:
        study: `project/study`, shown by `tuner` in its list of users of the home's service.
        settings: where the service is.
        environ: the environment of a service that is started.
    """

    def __init__(self, study: str, settings: Settings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self._study = study
        self._environ = dict(environ)
        self._lock = threading.RLock()
        self._api: ApiClient | None = None
        self._line: WorkerLine | None = None
        self._info: ServiceInfo | None = None

    @property
    def log_root(self) -> Path | None:
        """The log root, if this process knows that it is the service's; else None."""
        known = self.settings.api_url is None or self.settings.names_log_root
        return self.settings.log_root if known else None

    @property
    def is_open(self) -> bool:
        """Whether the service was reached."""
        return self._api is not None

    def api(self) -> ApiClient:
        """Return the user side of the API.

        Raises:
            SetupError: the token is wrong, or the service cannot start here.
            UnavailableError: the configured server does not answer.
        """
        with self._lock:
            self._open()
            assert self._api is not None  # noqa: S101 - for the type checker  # nosec B101  # no check of input
            return self._api

    def line(self) -> WorkerLine:
        """Return the worker side of the API; raises as `api` does."""
        with self._lock:
            self._open()
            assert self._line is not None  # noqa: S101 - for the type checker  # nosec B101  # no check of input
            return self._line

    def revive(self) -> None:
        """Look for the service again after a call that it did not answer.

        The home's service is started again if it has crashed; with several servers, another one may
        answer.

        Raises:
            UnavailableError: the home's service was ended deliberately.
        """
        with self._lock:
            if self._info is None:
                with contextlib.suppress(UnavailableError):
                    self._reconnect()
            elif not is_running(self._info.pid):
                if read_service(self.settings) is None:
                    raise UnavailableError(
                        f"the service was ended while {self._study} ran; "
                        f"run the script again to continue"
                    )
                logger.warning("the Tuner service has died; it is started again")
                self._info = restart_service(self.settings, self._environ, self._info)
                self._reconnect()

    def close(self) -> None:
        """Release the service; the last user ends the home's service. Idempotent."""
        with self._lock:
            self._hang_up()
            if self._info is not None:
                self._info = None
                _leave(self.settings)

    def _open(self) -> None:
        if self._api is not None:
            return
        if self.settings.api_url:
            self._reconnect()
            if self._api is None:
                # The message says what was tried.
                raise UnavailableError(f"{self.settings.api_url}: no Tuner server answers there")
            return
        # Before looking for a service, so that the last run of another study does not end it.
        _use(self.settings, self._study)
        try:
            self._info, _ = join_service(self.settings, self._environ, persistent=False)
        except BaseException:
            _leave(self.settings)
            raise
        self._reconnect()

    def _reconnect(self) -> None:
        api = find_api(self.settings) if self._info is None else connect(self.settings, self._info)
        if api is None:
            return
        self._hang_up()
        trust = self.settings.trust if self._info is None else Trust(plain_http=True)
        is_own = self._info is not None or is_here(api.url)
        token = read_token(self.settings) if is_own else self.settings.token
        self._api, self._line = api, WorkerLine(api.url, token, trust)

    def _hang_up(self) -> None:
        for one in (self._api, self._line):
            if one is not None:
                one.close()
        self._api = self._line = None


def settings_of(api_url: str | None, token: str | None) -> Settings:
    """Return the settings of the environment, overridden by the arguments of a script."""
    environ = dict(os.environ)
    for name, value in (("TUNER_API_URL", api_url), ("TUNER_TOKEN", token)):
        if value is not None:
            environ.pop(f"{name}_FILE", None)
            environ[name] = value
    settings = load_settings(environ)
    if settings.api_url and not settings.token and not is_here(settings.api_url):
        raise SetupError(
            f"{settings.api_url}: needs a token; set TUNER_TOKEN or TUNER_TOKEN_FILE, or give "
            f"ServiceOracle(token=…); an administrator of the server makes one with: "
            f"tuner token create NAME --scope submit --scope work"
        )
    return settings


#: For each home in this process: the registration and the number of users. A process is one run.
_uses: dict[Path, tuple[LiveRun, int]] = {}
_uses_lock = threading.Lock()


def _use(settings: Settings, study: str) -> None:
    with _uses_lock:
        run, count = _uses.get(settings.home, (None, 0))
        if run is None:
            run = LiveRun(settings)
            run.register(study)
        _uses[settings.home] = (run, count + 1)


def _leave(settings: Settings) -> None:
    with _uses_lock:
        run, count = _uses.pop(settings.home, (None, 0))
        if run is None:
            return
        if count > 1:
            _uses[settings.home] = (run, count - 1)
            return
        with run.leave() as last:
            info = running_service(settings)
            if last and info is not None and not info.persistent:
                with contextlib.suppress(OSError):
                    end_service(settings, info, grace_s=_END_S)
