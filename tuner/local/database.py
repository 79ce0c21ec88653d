"""The database of a home where no service runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tuner.local.home import home_lock, make_home
from tuner.settings import Settings

if TYPE_CHECKING:  # it costs a third of a second
    from tuner.storage import Storage


@contextlib.contextmanager
def open_database(settings: Settings, *, create: bool) -> Iterator[Storage]:
    """Open the database itself.

    The home is not locked while the block runs.

    Args:
        settings: where it is.
        create: make the database, or bring it up to date.

    Raises:
        NotFoundError: there is no database yet, and `create` is false.
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
