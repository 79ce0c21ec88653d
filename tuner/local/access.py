"""How a command reaches the studies: over HTTP if a service runs, otherwise in its own process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tuner.errors import StudyError, UnavailableError
from tuner.local.home import LOCK_WAIT_S, home_lock, keep_service, read_token
from tuner.local.service import connect, join_service, live_service
from tuner.settings import Settings

if TYPE_CHECKING:  # both cost a third of a second, and a command needs one of them
    from tuner.client import ApiClient
    from tuner.service.reading import Reader
    from tuner.service.service import Service
    from tuner.storage import Storage


@contextlib.contextmanager
def open_reader(settings: Settings) -> Iterator[Reader | ApiClient]:
    """Give access for reading; nothing is started, created or locked.

    Raises:
        NotFoundError: no service runs and there is no database yet.
    """
    remote = find_api(settings)
    with remote if remote is not None else _open_own_reader(settings) as api:
        yield api


@contextlib.contextmanager
def open_changer(settings: Settings) -> Iterator[Service | ApiClient]:
    """Give access for changes; without a service, the home is locked until the end of the block.

    Raises:
        NotFoundError: no service runs and there is no database yet.
        UnavailableError: another process holds the home.
    """
    deadline = time.monotonic() + LOCK_WAIT_S
    lock = home_lock(settings)
    while True:
        remote = find_api(settings)
        if remote is not None:
            with remote as api:
                yield api
            return
        try:
            # Short: the holder may be a service that will answer in a moment.
            lock.acquire(wait_s=0.3)
        except UnavailableError:
            if time.monotonic() > deadline:
                raise
            continue
        with lock, _open_service(settings) as service:
            yield service
        return


def start_api(settings: Settings, environ: Mapping[str, str]) -> ApiClient:
    """Return a connection to the configured server, or else to the local one, which then stays."""
    if settings.api_url:
        return _connect_named(settings, settings.api_url)
    info, _ = join_service(settings, environ, persistent=True)
    keep_service(settings)
    return connect(settings, info)


def find_api(settings: Settings) -> ApiClient | None:
    """Return a connection to the server configured or running in this home, or else None."""
    if settings.api_url:
        return _connect_named(settings, settings.api_url)
    info = live_service(settings)
    return None if info is None else connect(settings, info)


def _connect_named(settings: Settings, urls: str) -> ApiClient:
    """Return a connection to the first of the servers, separated by commas, that answers."""
    *others, last = [url.strip() for url in urls.split(",")]
    for url in others:
        with contextlib.suppress(UnavailableError):
            return _connect_to(settings, url)
    return _connect_to(settings, last)


def _connect_to(settings: Settings, url: str) -> ApiClient:
    from tuner.client import ApiClient

    # The home's token stays on this machine: another server has its own.
    token = read_token(settings) if is_here(url) else settings.token
    client = ApiClient(url, token, settings.trust)
    try:
        client.check_protocol()
    except BaseException:
        client.close()
        raise
    return client


def is_here(url: str) -> bool:
    """Return whether a server is on this machine, so that the home's token may be valid for it."""
    try:
        return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")
    except ValueError:
        return False  # `ApiClient` says what is wrong


@contextlib.contextmanager
def _faults_told(storage: Storage) -> Iterator[None]:
    """Report what is wrong with the database's rows if something failed because of them.

    Raises:
        StudyError: a check found something.
    """
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError) as exc:
        from tuner.integrity.repair import check

        found = check(storage)
        if not found:
            raise
        whose = f"{found[0].study}: " if found[0].study else ""
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise StudyError(
            f"{whose}{found[0].text}{more}; what is wrong, and what can be repaired: tuner db check"
        ) from exc


@contextlib.contextmanager
def _open_own_reader(settings: Settings) -> Iterator[Reader]:
    from tuner.service.reading import Reader
    from tuner.storage import open_storage

    with (
        contextlib.closing(open_storage(settings.database_url, create=False)) as storage,
        _faults_told(storage),
    ):
        yield Reader(storage, settings)


@contextlib.contextmanager
def _open_service(settings: Settings) -> Iterator[Service]:
    from tuner.security.account import account
    from tuner.service.service import Service
    from tuner.storage import open_storage
    from tuner.trials.store.events import acting

    with (
        contextlib.closing(open_storage(settings.database_url, create=False)) as storage,
        acting(account()),
        _faults_told(storage),
    ):
        yield Service(storage, settings)
