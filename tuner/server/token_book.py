"""Whose a token is: the server's own, or one of the database, asked at most twice a second.

All tokens are read at once, however many are used: a service has tens of them, and strangers who
try tokens cost no more than one who is known. A token that was revoked, here or through another
server, or that has expired, is so refused within a second, and with a database that does not answer
no token but the server's own is taken.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import sqlalchemy as sa

from tuner.errors import UnavailableError
from tuner.identity import OWNER, TOKEN_PREFIX, WORKERS, Identity, digest_of
from tuner.storage import Storage
from tuner.storage.tokens import USED_EVERY_S, Token, TokenState, note_used, tokens_in_mind

logger = logging.getLogger(__name__)

#: What was read is taken for true for so long.
FRESH_S = 0.5
#: A token that is not in it may have been made just now, through another server.
FRESH_FOR_UNKNOWN_S = 0.1
#: A request whose token cannot be looked up is given up after so long.
PATIENCE_S = 5.0

UNKNOWN = "a valid bearer token is needed"


class TokenRefusedError(Exception):
    """A token is no good; the text tells its bearer why, and others nothing."""


@dataclass(frozen=True, kw_only=True)
class _Page:
    """The tokens as the database had them.

    Attributes:
        tokens: by their SHA-256.
        read: when it was asked, of the monotonic clock.
        ahead: the database's clock less the monotonic one.
    """

    tokens: Mapping[str, Token]
    read: float
    ahead: float

    def now(self) -> float:
        """Return the database's time."""
        return self.ahead + time.monotonic()


class TokenBook:
    """The tokens that are good. To be used on one event loop, and closed.

    Args:
        token: the server's own, which allows everything.
        storage: where the others are.
        worker_token: of the workers that this server was set up with, if any.
        workers: who holds it, with the image that it is bound to.
    """

    def __init__(
        self,
        token: str,
        storage: Storage,
        worker_token: str | None = None,
        workers: Identity = WORKERS,
    ) -> None:
        self._own = [(digest_of(token), OWNER)]
        if worker_token is not None:
            self._own.append((digest_of(worker_token), workers))
        self._storage = storage
        # One reads; the other takes down what was used, which may wait for writers.
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="tokens")
        self._page: _Page | None = None
        #: What was asked before is of no use any more, of the monotonic clock.
        self._since = 0.0
        self._reading: Future[_Page] | None = None
        self._noting: Future[None] | None = None
        #: When this server last took down that a token was used, by its number.
        self._noted: dict[int, float] = {}

    async def who(self, token: str) -> Identity:
        """Return who holds a token.

        Raises:
            TokenRefusedError: it is nobody's, or no good any more.
            UnavailableError: the database does not answer.
        """
        digest = digest_of(token)
        # Of hashes: how long it takes tells nothing about the token.
        for own, identity in self._own:
            if hmac.compare_digest(digest, own):
                return identity
        if not token.startswith(TOKEN_PREFIX):
            raise TokenRefusedError(UNKNOWN)
        page = await self._read_within(FRESH_S)
        if digest not in page.tokens:
            page = await self._read_within(FRESH_FOR_UNKNOWN_S)
        found = page.tokens.get(digest)
        if found is None:
            raise TokenRefusedError(UNKNOWN)
        _require_good(found, page.now())
        self._note(found, page.now())
        return found.identity

    async def recheck(self, identity: Identity) -> None:
        """See that a token is still good, for an answer that waits.

        Raises:
            TokenRefusedError: it is not.
            UnavailableError: the database does not answer.
        """
        if any(identity is own for _, own in self._own):
            return
        page = await self._read_within(FRESH_S)
        for token in page.tokens.values():
            if token.identity.token_id == identity.token_id:
                _require_good(token, page.now())
                return
        raise TokenRefusedError(UNKNOWN)

    def forget(self) -> None:
        """Read anew for the next request: a token was made or revoked here."""
        self._since = time.monotonic()
        self._reading = None

    def close(self) -> None:
        """Read nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _read_within(self, fresh_s: float) -> _Page:
        """Return the tokens as they were at most `fresh_s` ago, or were read just now."""
        self._take_read()
        page = self._page
        if page is not None and page.read > max(self._since, time.monotonic() - fresh_s):
            return page
        if self._reading is None or self._reading.done():
            self._reading = self._threads.submit(self._read)
        reading = asyncio.wrap_future(self._reading)
        try:
            # Shielded: others wait for it too.
            page = await asyncio.wait_for(asyncio.shield(reading), PATIENCE_S)
        except TimeoutError:
            raise UnavailableError("the database does not answer; try again") from None
        except sa.exc.DBAPIError as exc:
            raise UnavailableError("the database is not available; try again") from exc
        self._page = page
        return page

    def _take_read(self) -> None:
        """Take in what was read, before whoever waits for it is woken."""
        reading = self._reading
        if reading is not None and reading.done() and reading.exception() is None:
            self._page = reading.result()

    def _read(self) -> _Page:
        asked = time.monotonic()
        with self._storage.read() as connection:
            now = self._storage.now(connection)
            tokens = tokens_in_mind(connection, now)
        return _Page(tokens=tokens, read=asked, ahead=now - time.monotonic())

    def _note(self, token: Token, now: float) -> None:
        """Have it taken down that a token is used, if that was not done lately."""
        number = token.identity.token_id
        if number is None or (token.last_used or 0.0) > now - USED_EVERY_S:
            return
        if self._noted.get(number, 0.0) > now - USED_EVERY_S:
            return
        if self._noting is None or self._noting.done():
            self._noted[number] = now
            self._noting = self._threads.submit(self._write_used, number, now)

    def _write_used(self, number: int, now: float) -> None:
        try:
            with self._storage.begin() as connection:
                note_used(connection, [number], now)
        except (UnavailableError, sa.exc.SQLAlchemyError) as exc:
            logger.warning("use of a token not noted", extra={"error": type(exc).__name__})


def _require_good(token: Token, now: float) -> None:
    state = token.state(now)
    if state is not TokenState.ACTIVE:
        past = "was revoked" if state is TokenState.REVOKED else "has expired"
        raise TokenRefusedError(f"the token {token.identity.name!r} {past}; ask for a new one")
