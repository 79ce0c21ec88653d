"""Whose a token is: asked of the database seldom, and never guessed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from tuner.errors import UnavailableError
from tuner.security.identity import OWNER, WORKERS, Scope, new_token
from tuner.server.token_book import FRESH_S, TokenBook, TokenRefusedError
from tuner.service.tokens import TokenDesk
from tuner.storage import Storage, open_storage, tables

OWN = "the-servers-own"


@pytest.fixture
def storage(sqlite_url: str) -> Iterator[Storage]:
    storage = open_storage(sqlite_url, create=True)
    yield storage
    storage.close()


@pytest.fixture
def reads(storage: Storage) -> list[str]:
    """Every look for tokens in the database, as it happens."""
    seen: list[str] = []

    @sa.event.listens_for(storage.reader, "before_cursor_execute")
    def _note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "tuner_tokens" in statement:
            seen.append(statement)

    return seen


def make(storage: Storage, *scopes: str, **facts: Any) -> str:
    return str(TokenDesk(storage).create_token("t", scopes, **facts)["token"])


def test_however_many_ask_the_database_is_asked_twice_a_second(
    storage: Storage, reads: list[str]
) -> None:
    secret = make(storage, "work")

    async def ask_often(book: TokenBook) -> None:
        await asyncio.gather(*(book.who(secret) for _ in range(50)))
        for _ in range(500):
            assert (await book.who(secret)).scopes == {Scope.WORK}

    with closing(TokenBook(OWN, storage)) as book:
        begun = time.monotonic()
        asyncio.run(ask_often(book))
        passed = time.monotonic() - begun

    assert 1 <= len(reads) <= 1 + passed / FRESH_S


def test_what_was_read_is_used_by_who_comes_before_its_reader_is_woken(
    storage: Storage, reads: list[str]
) -> None:
    secret = make(storage, "work")

    async def ask_twice(book: TokenBook) -> None:
        first = asyncio.ensure_future(book.who(secret))
        await asyncio.sleep(0)
        # The loop is held, so that the first is not woken although all has been read.
        while not reads:
            time.sleep(0.01)
        time.sleep(0.1)
        assert (await book.who(secret)) == await first

    with closing(TokenBook(OWN, storage)) as book:
        asyncio.run(ask_twice(book))

    assert len(reads) == 1


def test_neither_the_servers_own_tokens_nor_junk_are_looked_up(
    storage: Storage, reads: list[str]
) -> None:
    with closing(TokenBook(OWN, storage, "the-workers-own")) as book:
        assert asyncio.run(book.who(OWN)) is OWNER
        assert asyncio.run(book.who("the-workers-own")) is WORKERS
        for junk in ("", "guess", OWN[:-1], f"{OWN}x"):
            with pytest.raises(TokenRefusedError):
                asyncio.run(book.who(junk))

    assert reads == []


def test_a_token_ends_by_the_clock_of_the_database(storage: Storage) -> None:
    secret = make(storage, "read", expires_s=3600)
    with closing(TokenBook(OWN, storage)) as book:

        async def ends() -> str:
            identity = await book.who(secret)
            soon = tables.tokens.update().values(expires=time.time() + 0.2)
            with storage.begin() as connection:
                connection.execute(soon)
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                try:
                    await book.recheck(identity)
                except TokenRefusedError as exc:
                    return str(exc)
                await asyncio.sleep(0.01)
            return "it goes on"

        assert asyncio.run(ends()) == "the token 't' has expired; ask for a new one"


def test_what_was_revoked_here_is_refused_at_once(storage: Storage) -> None:
    secret = make(storage, "read")
    with closing(TokenBook(OWN, storage)) as book:
        asyncio.run(book.who(secret))
        TokenDesk(storage).revoke_token("t")
        book.forget()

        with pytest.raises(TokenRefusedError, match="was revoked"):
            asyncio.run(book.who(secret))


def test_a_token_that_ended_long_ago_is_any_other(storage: Storage) -> None:
    secret = make(storage, "read")
    with storage.begin() as connection:
        connection.execute(tables.tokens.update().values(revoked=1.0))
    with (
        closing(TokenBook(OWN, storage)) as book,
        pytest.raises(TokenRefusedError, match="a valid bearer token is needed"),
    ):
        asyncio.run(book.who(secret))


def test_without_a_database_no_token_but_the_servers_own_is_taken() -> None:
    storage = Storage("postgresql+psycopg://127.0.0.1:9/nothing")
    with closing(TokenBook(OWN, storage)) as book:
        assert asyncio.run(book.who(OWN)) is OWNER
        with pytest.raises(UnavailableError):
            asyncio.run(book.who(new_token()))
    storage.close()
