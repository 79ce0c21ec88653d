"""Redis over `rediss://` and PostgreSQL with `verify-full`, against an authority of the test's own.

Whoever has another authority, or another name, is refused with a sentence that says which.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.certificates import Authority, Signed
from tests.support.patience import clock
from tests.support.servers import PostgresServer, ServerMissingError, open_tls_postgres
from tuner.errors import SetupError, UnavailableError
from tuner.queue.redis_server import resolve_redis
from tuner.queue.wakeup import WakeUps
from tuner.security.trust import Trust
from tuner.settings import Settings, load_settings
from tuner.storage import open_storage
from tuner.storage.database import open_optuna
from workers.wake import Listener

UNKNOWN = "is of an authority that this machine does not know: name the file"
OTHER_NAME = "is for another name"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "another authority")


@pytest.fixture(scope="module")
def signed(authority: Authority) -> Signed:
    # For the name alone: the address is then another one.
    return authority.sign("DNS:localhost")


@pytest.fixture(scope="module")
def redis_port(
    authority: Authority, signed: Signed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """A real Redis that speaks TLS and nothing else."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "port": "0",
        "tls-port": str(port),
        "tls-cert-file": str(signed.cert),
        "tls-key-file": str(signed.key),
        "tls-ca-cert-file": str(authority.cert),
        "tls-auth-clients": "no",
        "bind": "127.0.0.1",
        "save": "",
        "dir": str(tmp_path_factory.mktemp("redis")),
    }
    arguments = [part for key, value in options.items() for part in (f"--{key}", value)]
    for program in programs():
        process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL)
        if is_reached(port, process):
            yield port
            process.kill()
            process.wait()
            return
    # What the locks bring for machines that lack one was built without.
    pytest.skip("no server on the PATH was built with TLS; Debian's is")


def programs() -> list[str]:
    """Return the servers of every folder on the PATH: some are built without TLS."""
    folders = os.environ["PATH"].split(os.pathsep)
    found = (
        shutil.which(name, path=folder)
        for folder in folders
        for name in ("redis-server", "valkey-server")
    )
    return [program for program in found if program is not None]


def is_reached(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = clock() + 20
    while process.poll() is None and clock() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.02)
    return False


@pytest.fixture(scope="module")
def postgres(signed: Signed) -> Iterator[PostgresServer]:
    """A real PostgreSQL that takes no connection without TLS."""
    try:
        server = open_tls_postgres(signed.cert, signed.key)
    except ServerMissingError:
        pytest.skip("no database server here was built with TLS; Debian's is")
    yield server
    server.stop()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    with postgres.fresh_database() as url:
        # The tests choose how it is checked.
        yield (
            sa.make_url(url)
            .set(query={"sslmode": "verify-full"})
            .render_as_string(hide_password=False)
        )


def settings(home: Path, authority: Authority | None, **given: Any) -> Settings:
    environ = {"TUNER_HOME": str(home), **given}
    if authority is not None:
        environ["TUNER_CA_FILE"] = str(authority.cert)
    return load_settings(environ)


def test_wake_ups_go_through_tls(redis_port: int, authority: Authority, tmp_path: Path) -> None:
    url = f"rediss://localhost:{redis_port}/0"
    choice = resolve_redis(settings(tmp_path, authority, TUNER_REDIS_URL=url))
    wakeups = WakeUps(choice.url)
    listener = Listener(Trust(ca_file=authority.cert).complete(url), device="cpu", name="w1")

    assert wakeups.send("cpu", 1) == 1
    assert listener.wait()
    listener.leave()
    wakeups.close()


def test_a_redis_of_another_authority_is_refused(
    redis_port: int, stranger: Authority, tmp_path: Path
) -> None:
    given = settings(tmp_path, stranger, TUNER_REDIS_URL=f"rediss://localhost:{redis_port}/0")

    with pytest.raises(SetupError, match=UNKNOWN):
        resolve_redis(given)


def test_a_redis_is_refused_where_the_authority_is_not_named(
    redis_port: int, tmp_path: Path
) -> None:
    given = settings(tmp_path, None, TUNER_REDIS_URL=f"rediss://localhost:{redis_port}/0")

    with pytest.raises(SetupError, match=UNKNOWN):
        resolve_redis(given)


def test_a_redis_under_another_name_is_refused(
    redis_port: int, authority: Authority, tmp_path: Path
) -> None:
    given = settings(tmp_path, authority, TUNER_REDIS_URL=f"rediss://127.0.0.1:{redis_port}/0")

    with pytest.raises(SetupError, match=OTHER_NAME):
        resolve_redis(given)


def test_the_database_is_reached_through_tls(
    postgres_url: str, authority: Authority, tmp_path: Path
) -> None:
    given = settings(tmp_path, authority, TUNER_DATABASE_URL=postgres_url)
    storage = open_storage(given.database_url, create=True)
    with storage.read() as connection:
        query = sa.text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert connection.execute(query).scalar_one() is True
    storage.close()
    optuna = open_optuna(given.database_url)

    assert optuna.get_all_studies() == []
    optuna.engine.dispose()


def test_a_database_of_another_authority_is_refused(
    postgres_url: str, stranger: Authority, tmp_path: Path
) -> None:
    given = settings(tmp_path, stranger, TUNER_DATABASE_URL=postgres_url)

    with pytest.raises(UnavailableError, match=UNKNOWN):
        open_storage(given.database_url, create=True)


def test_a_database_under_another_name_is_refused(
    postgres_url: str, authority: Authority, tmp_path: Path
) -> None:
    url = postgres_url.replace("@localhost", "@127.0.0.1")
    given = settings(tmp_path, authority, TUNER_DATABASE_URL=url)

    with pytest.raises(UnavailableError, match=OTHER_NAME):
        open_storage(given.database_url, create=True)
