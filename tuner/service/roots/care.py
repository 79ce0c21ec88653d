"""Trying something below a root so that its fault stays its own."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from tuner.errors import UnavailableError
from tuner.roots import UnfitError
from tuner.service.roots import unfiled
from tuner.service.roots.hands import Hands, StuckError
from tuner.service.roots.probing import Roots
from tuner.service.roots.unfiled import Subject
from tuner.storage import Storage

logger = logging.getLogger(__name__)

#: With these the database has not answered; anything else it says is about the rows.
DATABASE_AWAY = (UnavailableError, sa.exc.OperationalError, sa.exc.InterfaceError)


class RootLostError(Exception):
    """A root cannot be written at present, whatever is to be written."""


class Care:
    """Notes what failed, with its reason, and goes on. Not for several threads.

    Args:
        storage: where it is noted.
        roots: asked when an error may be that of the file system itself.
        hands: in which everything below the roots is done.
    """

    def __init__(self, storage: Storage, roots: Roots, hands: Hands) -> None:
        self._storage = storage
        self._roots = roots
        self.hands = hands

    @contextlib.contextmanager
    def of(self, subject: Subject, root: Path) -> Iterator[None]:
        """Try what is in the block; note what it fails with.

        Raises:
            RootLostError: the file system failed, and nothing else below the root can be written.
            StuckError: it was not tried, because calls before it do not return.
            UnavailableError, sqlalchemy.exc.OperationalError: the database is away.
        """
        try:
            yield
        except StuckError as exc:
            if not exc.is_begun:
                raise
            self._note(subject, str(exc), waiting=True)
        except DATABASE_AWAY:
            raise
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is this subject's alone
            self.failed(subject, exc, root)

    def failed(self, subject: Subject, error: BaseException, root: Path) -> None:
        """Note what something failed with; raises as `of`."""
        if unfiled.is_of_the_system(error) and not self._roots.look():
            raise RootLostError(str(error)) from error
        reason = unfiled.reason_of(error, root)
        logger.warning(
            "not filed",
            extra={"kind": subject.kind, "key": subject.key, "reason": reason},
            # Of other errors than those of files only the trace says where they come from.
            exc_info=None if isinstance(error, OSError | UnfitError) else error,
        )
        self._note(subject, reason)

    def done(self, subject: Subject) -> None:
        """Note that something has been done."""
        with self._storage.begin() as connection:
            unfiled.forgive(connection, subject)

    def _note(self, subject: Subject, reason: str, *, waiting: bool = False) -> None:
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            unfiled.note(connection, subject, reason, now, waiting=waiting)
