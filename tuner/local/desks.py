"""How a command reaches history and tokens: over HTTP if a service runs, otherwise the database.

The home is not locked while a block runs: an import may take long, and a service that starts
meanwhile does not depend on history or tokens remaining unchanged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tuner.local.access import find_api
from tuner.local.home import home_lock, make_home
from tuner.settings import Settings

if TYPE_CHECKING:  # each costs a third of a second, and a command needs one of them
    from tuner.client import ApiClient
    from tuner.service.history import HistoryService
    from tuner.service.tokens import TokenDesk
    from tuner.storage import Storage


@contextlib.contextmanager
def open_history(settings: Settings, *, create: bool) -> Iterator[HistoryService | ApiClient]:
    """Give access to the history, for reading and changes; arguments and errors as in `_open`."""
    if (remote := find_api(settings)) is not None:
        with remote as api:
            yield api
        return
    from tuner.service.history import HistoryService

    with _open(settings, create=create) as storage:
        yield HistoryService(storage)


@contextlib.contextmanager
def open_tokens(settings: Settings, *, create: bool) -> Iterator[TokenDesk | ApiClient]:
    """Give access to the tokens, for reading and changes; arguments and errors as in `_open`."""
    if (remote := find_api(settings)) is not None:
        with remote as api:
            yield api
        return
    from tuner.security.account import account
    from tuner.service.tokens import TokenDesk
    from tuner.trials.store.events import acting

    with _open(settings, create=create) as storage, acting(account()):
        yield TokenDesk(storage)


@contextlib.contextmanager
def _open(settings: Settings, *, create: bool) -> Iterator[Storage]:
    """Open the database itself.

    Args:
        create: create the database, or migrate it.

    Raises:
        NotFoundError: no service runs, there is no database yet, and `create` is false.
        UnavailableError: the database cannot be reached, or another process holds the home.
    """
    from tuner.storage import open_storage

    if create:
        make_home(settings.home)
        with home_lock(settings):
            storage = open_storage(settings.database_url, create=True)
    else:
        storage = open_storage(settings.database_url, create=False)
    with contextlib.closing(storage):
        yield storage
