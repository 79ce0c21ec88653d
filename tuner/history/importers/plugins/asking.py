"""Asks an importer what a file or folder holds; its errors do not keep other importers from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tuner.history.importers.listing import Refuse
from tuner.history.importers.plugins.study import Item, said_of
from tuner.history.store.cleaning import clean_text
from tuner.history.store.records import Rejection
from tuner.registry import IMPORTERS

_Found = TypeVar("_Found")


def title_of(name: str) -> str:
    """Return an importer's name in messages."""
    return f"the importer {name!r} of {IMPORTERS.package_of(name) or 'Tuner'}"


def ask(
    name: str,
    read: Callable[[_Found], Iterable[Item] | None],
    found: _Found,
    path: str,
    refuse: Refuse,
) -> Iterator[Item] | None:
    """Return what a plugin's importer finds; None: it is not of its kind, or the importer failed.

    Args:
        read: the importer's function.
        found: a file or a folder.
        path: where that lies.
        refuse: called if the importer fails.
    """
    try:
        items = read(found)
        return None if items is None else iter(items)
    except Exception as exc:  # noqa: BLE001 - a plugin may raise anything
        reason = clean_text(f"{title_of(name)} failed: {said_of(exc)}", 300)
        refuse(Rejection(path=path, reason=reason))
        return None
