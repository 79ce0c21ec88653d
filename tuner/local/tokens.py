"""How a command reaches the tokens: over HTTP where a service runs, else the database itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tuner.local.access import find_api
from tuner.local.database import open_database
from tuner.settings import Settings

if TYPE_CHECKING:  # both cost a third of a second, and a command needs one of them
    from tuner.client import ApiClient
    from tuner.service.tokens import TokenDesk


@contextlib.contextmanager
def open_tokens(settings: Settings, *, create: bool) -> Iterator[TokenDesk | ApiClient]:
    """Give access to the tokens, for reading and for changes.

    Args:
        settings: where they are.
        create: without a service, make the database or bring it up to date.

    Raises:
        NotFoundError: no service runs, there is no database yet, and `create` is false.
        UnavailableError: the database cannot be reached, or another process holds the home.
    """
    remote = find_api(settings)
    if remote is not None:
        with remote as api:
            yield api
        return
    from tuner.account import account
    from tuner.service.tokens import TokenDesk
    from tuner.trials.store.events import acting

    with open_database(settings, create=create) as storage, acting(account()):
        yield TokenDesk(storage)
