"""Statements on PostgreSQL, as the server's threads execute them: prepared, by libpq itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tests.support.servers import PostgresServer
from tuner.errors import UnavailableError
from tuner.storage import Storage
from tuner.storage.postgres.cursor import FEW, PostgresCursor
from tuner.storage.postgres.statements import MOST_PREPARED, RARE

T = TypeVar("T")

_things = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("size", sa.BigInteger),
    sa.Column("value", sa.Float),
    sa.Column("name", sa.Text),
    sa.Column("on", sa.Boolean),
    sa.Column("body", sa.LargeBinary),
)
_INSERT = _things.insert()
_NAMED = sa.select(_things).where(_things.c.name == sa.bindparam("who")).order_by(_things.c.id)
_ROWS = [
    {"size": None, "value": None, "name": None, "on": None, "body": None},
    {"size": 1, "value": 0.1, "name": "a%(b)s %% 'ü'", "on": True, "body": b"\x00\xff"},
    {"size": 40_000, "value": 1e300, "name": "", "on": False, "body": b""},
    {"size": 3_000_000_000, "value": float("inf"), "name": "$1", "on": True, "body": None},
]


@pytest.fixture
def storage(postgres_url: str) -> Iterator[Storage]:
    storage = Storage(postgres_url)
    with storage.begin() as connection:
        _things.create(connection)
    yield storage
    storage.close()


@pytest.fixture
def in_thread() -> Iterator[Callable[[Callable[[], T]], T]]:
    """Runs a function as the server does: not in the main thread."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda function: pool.submit(function).result()


def often(function: Callable[[], T]) -> T:
    """Call until statements are prepared, and once more; return the last answer."""
    for _ in range(RARE + 1):
        function()
    return function()


def test_prepared_statements_store_and_return_what_psycopg_does(
    storage: Storage, in_thread: Callable[[Callable[[], Any]], Any]
) -> None:
    def put() -> None:
        with storage.begin() as connection:
            connection.execute(_things.delete())
            connection.execute(_INSERT, [{"id": i, **row} for i, row in enumerate(_ROWS)])
            for i, row in enumerate(_ROWS):
                connection.execute(_INSERT, {"id": 10 + i, **row})

    def get() -> list[dict[str, Any]]:
        with storage.read() as connection:
            rows = connection.execute(sa.select(_things).order_by(_things.c.id)).all()
        return [dict(row._mapping) for row in rows]

    put()
    expected = get()
    in_thread(lambda: often(put))
    found = in_thread(lambda: often(get))
    assert found == expected == get()
    assert [{**row, "id": 0} for row in found] == [{"id": 0, **row} for row in _ROWS] * 2
    assert prepared_on(storage) > 0


def prepared_on(storage: Storage) -> int:
    with storage.begin() as connection:
        names = connection.exec_driver_sql("SELECT name FROM pg_prepared_statements").scalars()
        return sum(name.startswith("tuner_") for name in names)


def test_a_statement_says_how_many_rows_it_has_changed(
    storage: Storage, in_thread: Callable[[Callable[[], Any]], Any]
) -> None:
    update = _things.update().where(_things.c.id < sa.bindparam("below")).values(name="x")

    def change() -> tuple[int, int]:
        with storage.begin() as connection:
            connection.execute(_things.delete())
            rows = [{"id": i, **_ROWS[1]} for i in range(FEW)]
            many = connection.execute(_INSERT, rows).rowcount
            assert connection.execute(_NAMED, {"who": "x"}).first() is None
            return many, connection.execute(update, {"below": 3}).rowcount

    assert in_thread(lambda: often(change)) == (FEW, 3)


def test_an_error_of_a_prepared_statement_is_sqlalchemys_and_the_connection_goes_on(
    storage: Storage, in_thread: Callable[[Callable[[], Any]], Any]
) -> None:
    def put(number: int) -> None:
        with storage.begin() as connection:
            connection.execute(_INSERT, {"id": number, **_ROWS[1]})

    for number in range(RARE + 2):
        in_thread(lambda number=number: put(number))
    with pytest.raises(sa.exc.IntegrityError) as caught:
        in_thread(lambda: put(0))
    assert isinstance(caught.value.orig, psycopg.errors.UniqueViolation)
    assert caught.value.orig.sqlstate == "23505"
    in_thread(lambda: put(100))


def test_a_connection_that_is_lost_within_a_transaction_is_an_outage(
    storage: Storage,
    postgres_server: PostgresServer,
    in_thread: Callable[[Callable[[], Any]], Any],
) -> None:
    def read(*, broken: bool = False) -> int:
        with storage.begin() as connection:
            if broken:
                end_connections(storage, postgres_server)
            return len(connection.execute(_NAMED, {"who": "x"}).all())

    in_thread(lambda: often(read))
    with pytest.raises(UnavailableError):
        in_thread(lambda: read(broken=True))
    # A new connection, which has prepared nothing yet.
    assert in_thread(read) == 0


def end_connections(storage: Storage, server: PostgresServer) -> None:
    owner = sa.make_url(server.url).set(drivername="postgresql")
    with psycopg.connect(owner.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [sa.make_url(storage.url).database],
        )


def test_no_more_statements_stay_prepared_than_allowed(
    storage: Storage, in_thread: Callable[[Callable[[], Any]], Any]
) -> None:
    def ask(number: int) -> int:
        with storage.begin() as connection:
            text = sa.text(f"SELECT {number} + CAST(:more AS INTEGER)")
            return int(connection.execute(text, {"more": 1}).scalar_one())

    def ask_all() -> list[int]:
        return [ask(number) for number in range(MOST_PREPARED + 3)]

    assert in_thread(lambda: often(ask_all)) == [n + 1 for n in range(MOST_PREPARED + 3)]
    assert prepared_on(storage) == MOST_PREPARED


def test_prepared_statements_survive_that_psycopg_forgets_all(
    storage: Storage, in_thread: Callable[[Callable[[], Any]], Any]
) -> None:
    def read() -> int:
        with storage.begin() as connection:
            return len(connection.execute(_NAMED, {"who": "x"}).all())

    def drop() -> None:
        with storage.begin() as connection:
            rows = [{"id": i, **_ROWS[1]} for i in range(FEW + 1)]
            connection.execute(_INSERT, rows)  # psycopg prepares it
            connection.exec_driver_sql("CREATE TABLE gone (id INTEGER)")
            connection.exec_driver_sql("DROP TABLE gone")

    in_thread(lambda: often(read))
    in_thread(drop)
    assert in_thread(read) == 0


def test_columns_of_the_same_types_keep_the_names_of_their_own_statement(
    storage: Storage, in_thread: Callable[[Callable[[], Any]], Any]
) -> None:
    texts = {
        "there": sa.text("SELECT CAST(:a AS TEXT) AS one, CAST(:b AS TEXT) AS two"),
        "back": sa.text("SELECT CAST(:a AS TEXT) AS two, CAST(:b AS TEXT) AS one"),
        "either": sa.text("SELECT CAST(:a AS TEXT) AS two, CAST(:b AS TEXT) AS three"),
    }

    def ask() -> dict[str, dict[str, Any]]:
        with storage.begin() as connection:
            return {
                name: dict(connection.execute(text, {"a": "x", "b": "y"}).one()._mapping)
                for name, text in texts.items()
            }

    assert in_thread(lambda: often(ask)) == {
        "there": {"one": "x", "two": "y"},
        "back": {"two": "x", "one": "y"},
        "either": {"two": "x", "three": "y"},
    }
    assert prepared_on(storage) > 0


def test_parameters_of_other_types_give_columns_of_other_types(
    storage: Storage, in_thread: Callable[[Callable[[], Any]], Any]
) -> None:
    same = sa.text("SELECT :value AS value")
    values = [1, "one", 2.5, True, b"\x00", 3_000_000_000, None]

    def ask() -> list[Any]:
        with storage.begin() as connection:
            return [connection.execute(same, {"value": v}).one().value for v in values]

    found = in_thread(lambda: often(ask))
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


def test_a_table_that_is_altered_gives_the_values_of_the_columns_that_are_asked_for(
    storage: Storage, in_thread: Callable[[Callable[[], Any]], Any]
) -> None:
    asked = sa.select(_things.c.id, _things.c.name, _things.c.size)

    def read() -> tuple[Any, ...]:
        with storage.begin() as connection:
            return tuple(connection.execute(asked).one()._mapping.items())

    def alter(*changes: str) -> None:
        with storage.begin() as connection:
            for change in changes:
                connection.exec_driver_sql(f"ALTER TABLE things {change}")

    expected = (("id", 1), ("name", "$1"), ("size", 7))
    with storage.begin() as connection:
        connection.execute(_INSERT, {**_ROWS[1], "id": 1, "name": "$1", "size": 7})
    assert in_thread(lambda: often(read)) == expected
    # The columns now stand in another order, with others between them.
    alter(
        "ADD COLUMN before TEXT DEFAULT 'b'",
        "ADD COLUMN moved TEXT",
        "DROP COLUMN body",
    )
    with storage.begin() as connection:
        connection.exec_driver_sql("UPDATE things SET moved = name")
    alter("DROP COLUMN name", "RENAME COLUMN moved TO name")
    assert in_thread(lambda: often(read)) == expected


def test_other_threads_run_while_a_statement_waits(
    storage: Storage, in_thread: Callable[[Callable[[], Any]], Any]
) -> None:
    sleep = sa.text("SELECT pg_sleep(:s)")
    most = 0.0

    def doze(seconds: float) -> None:
        with storage.begin() as connection:
            connection.execute(sleep, {"s": seconds}).all()

    in_thread(lambda: often(lambda: doze(0.0)))
    waiting = threading.Thread(target=doze, args=(1.0,))
    waiting.start()
    while waiting.is_alive():
        begun = time.monotonic()
        time.sleep(0.001)
        most = max(most, time.monotonic() - begun)
    assert most < 0.5


def test_the_main_thread_leaves_its_statements_to_psycopg_which_ctrl_c_can_end(
    storage: Storage,
) -> None:
    with storage.begin() as connection:
        for _ in range(RARE + 2):
            found = connection.execute(_NAMED, {"who": "x"})
            assert isinstance(found.cursor, PostgresCursor | None)
            found.all()
    assert prepared_on(storage) == 0


def test_the_time_of_a_transaction_is_the_databases_when_it_began(storage: Storage) -> None:
    clock = sa.text("SELECT extract(epoch FROM clock_timestamp())")
    for opened in (storage.begin, storage.read):
        with storage.read() as connection:
            before = float(connection.execute(clock).scalar_one())
        with opened() as connection:
            first = float(connection.execute(clock).scalar_one())
            time.sleep(0.01)
            now = storage.now(connection)
        assert before <= now <= first


def test_a_reading_transaction_sees_one_moment_and_writes_nothing(storage: Storage) -> None:
    count = sa.select(sa.func.count()).select_from(_things)
    with storage.read() as reading:
        before = reading.execute(count).scalar_one()
        with storage.begin() as writing:
            writing.execute(_INSERT, {"id": 7, **_ROWS[1]})
        assert reading.execute(count).scalar_one() == before
    with pytest.raises(UnavailableError, match="read-only"), storage.read() as reading:
        reading.execute(_things.delete())


def test_several_rows_are_inserted_at_once_and_those_that_are_there_are_left_out(
    storage: Storage, in_thread: Callable[[Callable[[], Any]], Any]
) -> None:
    insert = postgresql.insert(_things).on_conflict_do_nothing()

    def put() -> int:
        rows = [{"id": i, **_ROWS[1], "size": i} for i in range(FEW)]
        with storage.begin() as connection:
            connection.execute(_things.delete().where(_things.c.id > 1))
            return connection.execute(insert, rows).rowcount

    assert in_thread(lambda: often(put)) == FEW - 2
    with storage.begin() as connection:
        found = connection.execute(sa.select(_things.c.id, _things.c.size)).all()
        prepared = "SELECT statement FROM pg_prepared_statements WHERE starts_with(name, 'tuner_')"
        texts = connection.exec_driver_sql(prepared).scalars()
        statements = [text for text in texts if "INSERT" in text]
    assert sorted(found) == [(i, i) for i in range(FEW)]
    # One statement for all rows.
    assert [text.count("(") for text in statements] == [FEW + 1]
