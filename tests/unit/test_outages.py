"""What a client reads of a database that does not answer, and what the log has."""

from __future__ import annotations

import logging
import sqlite3

import psycopg
import pytest
import sqlalchemy as sa

from tuner.errors import UnavailableError
from tuner.server.outages import outage_text
from tuner.storage import Storage

PLACE = (
    'connection to server at "db.internal", port 5432 failed: FATAL: role "tuner_rw" of /var/run'
)


def error_of(origin: Exception) -> sa.exc.OperationalError:
    return sa.exc.OperationalError("SELECT 1", {}, origin)


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (psycopg.OperationalError(PLACE), "the database is not available; try again"),
        (psycopg.errors.DiskFull(PLACE), "its disk is full"),
        (psycopg.errors.TooManyConnections(PLACE), "too many connections"),
        (psycopg.errors.QueryCanceled(PLACE), "a statement took too long"),
        (psycopg.errors.InvalidPassword(PLACE), "refuses the server's password"),
        (psycopg.errors.InsufficientPrivilege(PLACE), "may not use its tables"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_client_reads_what_to_do_and_nothing_of_where_the_database_is(
    origin: Exception, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    outer = UnavailableError(f"the database is not available: {origin}")
    outer.__cause__ = error_of(origin)
    with caplog.at_level(logging.WARNING):
        for exc in (outer, error_of(origin)):
            said = outage_text(exc, "abc123") or ""
            assert text in said
            assert "abc123" in said, "by which the line in the log is found"
            for secret in ("db.internal", "5432", "tuner_rw", "/var/run"):
                assert secret not in said

    assert all("db.internal" in str(vars(record)["error"]) for record in caplog.records)
    assert len(caplog.records) == 2


@pytest.mark.parametrize("text", ["database is locked", "database or disk is full"])
def test_what_sqlite_says_names_no_file_and_is_told(text: str) -> None:
    said = outage_text(error_of(sqlite3.OperationalError(text)), "abc123")

    assert said == f"the database is not available: {text}; try again"


def test_an_error_of_another_kind_is_not_the_databases() -> None:
    assert outage_text(UnavailableError("no answer within 5 s"), "abc123") is None


def test_a_database_that_cannot_be_opened_is_told_without_its_path() -> None:
    storage = Storage("sqlite:////nowhere/at/all/tuner.db")
    with pytest.raises(UnavailableError) as caught, storage.read() as connection:
        connection.execute(sa.text("SELECT 1"))
    storage.close()

    assert "nowhere" not in (outage_text(caught.value, "abc123") or "nowhere")
