"""Handles the errors of work below a root, so that they do not affect other work."""

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

#: Errors that mean that the database did not answer; its other errors are about the rows.
DATABASE_AWAY = (UnavailableError, sa.exc.OperationalError, sa.exc.InterfaceError)


class RootLostError(Exception):
    """A root cannot be written at present, whatever the file."""


class Care:
    """Records what failed, with its reason, and continues. Not thread-safe.

    Args:
        storage: where to record it.
        roots: checked when an error may be that of the file system itself.
        hands: the threads in which everything below the roots is done.
    """

    def __init__(self, storage: Storage, roots: Roots, hands: Hands) -> None:
        self._storage = storage
        self._roots = roots
        self.hands = hands

    @contextlib.contextmanager
    def of(self, subject: Subject, root: Path) -> Iterator[None]:
        """Run a block; record its failure.

        Raises:
            RootLostError: the file system failed, so nothing else below the root can be written.
            StuckError: it was not tried, because earlier calls do not return.
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
        """Record a failure; raises as `of` does."""
        if unfiled.is_of_the_system(error) and not self._roots.look():
            raise RootLostError(str(error)) from error
        reason = unfiled.reason_of(error, root)
        logger.warning(
            "not filed",
            extra={"kind": subject.kind, "key": subject.key, "reason": reason},
            # For errors other than those of files, only the traceback says where they come from.
            exc_info=None if isinstance(error, OSError | UnfitError) else error,
        )
        self._note(subject, reason)

    def done(self, subject: Subject) -> None:
        """Record that something was done."""
        with self._storage.begin() as connection:
            unfiled.forgive(connection, subject)

    def _note(self, subject: Subject, reason: str, *, waiting: bool = False) -> None:
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            unfiled.note(connection, subject, reason, now, waiting=waiting)
