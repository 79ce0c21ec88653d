"""Who holds a token: the server's own, or one from the database, read at most twice a second.

All tokens are read together, however many are used: a service has tens of them, and strangers who
try tokens cost no more than known clients. A token that was revoked, here or through another
server, or that has expired, is therefore refused within a second, and while the database does not
answer only the server's own token is accepted.
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
from tuner.security.identity import OWNER, TOKEN_PREFIX, WORKERS, Identity, digest_of
from tuner.storage import Storage
from tuner.storage.tokens import USED_EVERY_S, Token, TokenState, note_used, tokens_in_mind

logger = logging.getLogger(__name__)

#: Seconds for which the tokens that were read are considered current.
FRESH_S = 0.5
#: The same for a token that is unknown: it may have been created just now, through another server.
FRESH_FOR_UNKNOWN_S = 0.1
#: Maximum seconds for looking up a request's token.
PATIENCE_S = 5.0

UNKNOWN = "a valid bearer token is needed"


class TokenRefusedError(Exception):
    """A token is not valid; the text tells its bearer why, and others nothing."""


@dataclass(frozen=True, kw_only=True)
class _Page:
    """The tokens as they were in the database.

    Attributes:
        tokens: by their SHA-256.
        read: when they were requested, in monotonic time.
        ahead: the database's clock minus the monotonic one.
    """

    tokens: Mapping[str, Token]
    read: float
    ahead: float

    def now(self) -> float:
        """Return the database's time."""
        return self.ahead + time.monotonic()


class TokenBook:
    """The valid tokens. For a single event loop; must be closed.

    Args:
        token: the server's own, which has every scope.
        storage: where the others are.
        worker_token: the token of the workers that this server was set up with, if any.
        workers: the identity of its holder, with the image that it is bound to.
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
        # One thread reads; the other records uses, which may wait for writers.
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="tokens")
        self._page: _Page | None = None
        #: Anything requested before this monotonic time is outdated.
        self._since = 0.0
        self._reading: Future[_Page] | None = None
        self._noting: Future[None] | None = None
        #: When this server last recorded the use of a token, by token number.
        self._noted: dict[int, float] = {}

    async def who(self, token: str) -> Identity:
        """Return the holder of a token.

        Raises:
            TokenRefusedError: it is unknown or no longer valid.
            UnavailableError: the database does not answer.
        """
        digest = digest_of(token)
        # Compares hashes: the time that this takes reveals nothing about the token.
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
        """Check that a token is still valid, for a request that waits.

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
        """Read again for the next request: a token was created or revoked here."""
        self._since = time.monotonic()
        self._reading = None

    def close(self) -> None:
        """Stop reading."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _read_within(self, fresh_s: float) -> _Page:
        """Return the tokens as of at most `fresh_s` ago; read them if necessary."""
        self._take_read()
        page = self._page
        if page is not None and page.read > max(self._since, time.monotonic() - fresh_s):
            return page
        if self._reading is None or self._reading.done():
            self._reading = self._threads.submit(self._read)
        reading = asyncio.wrap_future(self._reading)
        try:
            # Shielded: other requests wait for it, too.
            page = await asyncio.wait_for(asyncio.shield(reading), PATIENCE_S)
        except TimeoutError:
            raise UnavailableError("the database does not answer; try again") from None
        except sa.exc.DBAPIError as exc:
            raise UnavailableError("the database is not available; try again") from exc
        self._page = page
        return page

    def _take_read(self) -> None:
        """Store what was read, before the callers that wait for it resume."""
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
        """Record the use of a token in the background, unless that was done recently."""
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
