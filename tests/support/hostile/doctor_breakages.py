"""What can be wrong with a home: each breakage really made, and what the doctor says of it."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

#: Stands in every secret of these tests.
CANARY = "canary-4711"

Environ = dict[str, str]
Break = Callable[[Environ], contextlib.AbstractContextManager[None] | None]


def home_of(environ: Environ) -> Path:
    return Path(environ["TUNER_HOME"])


def damage(environ: Environ) -> None:
    with (home_of(environ) / "tuner.db").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(200_000))


def truncate(environ: Environ) -> None:
    os.truncate(home_of(environ) / "tuner.db", 20_000)


def empty(environ: Environ) -> None:
    os.truncate(home_of(environ) / "tuner.db", 0)


def foreign(environ: Environ) -> None:
    (home_of(environ) / "tuner.db").write_bytes(b"PK\x03\x04 something else" * 100)


def folder_for_the_database(environ: Environ) -> None:
    (home_of(environ) / "tuner.db").unlink()
    (home_of(environ) / "tuner.db").mkdir()


def revision(number: str) -> Break:
    def make(environ: Environ) -> None:
        with contextlib.closing(sqlite3.connect(home_of(environ) / "tuner.db")) as connection:
            connection.execute("UPDATE tuner_alembic_version SET version_num = ?", (number,))
            connection.commit()

    return make


@contextlib.contextmanager
def lock(environ: Environ) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(home_of(environ) / "tuner.db")) as connection:
        connection.isolation_level = None
        connection.execute("BEGIN IMMEDIATE")
        yield


def optuna_rows_gone(environ: Environ) -> None:
    with contextlib.closing(sqlite3.connect(home_of(environ) / "tuner.db")) as connection:
        connection.execute("UPDATE tuner_studies SET optuna_id = 4711")
        connection.commit()


def open_home(environ: Environ) -> None:
    home_of(environ).chmod(0o755)
    (home_of(environ) / "tuner.db").chmod(0o644)


def open_token(environ: Environ) -> None:
    (home_of(environ) / "token").chmod(0o644)


def file_for_the_logs(environ: Environ) -> None:
    environ["TUNER_LOG_ROOT"] = str(home_of(environ) / "port")
    (home_of(environ) / "port").write_text("8080")


def nowhere_for_checkpoints(environ: Environ) -> None:
    environ["TUNER_CHECKPOINT_ROOT"] = "/proc/tuner/checkpoints"


def no_server(environ: Environ) -> None:
    environ.update(TUNER_API_URL="http://127.0.0.1:1", TUNER_TOKEN=CANARY)


def dead_redis(environ: Environ) -> None:
    environ["TUNER_REDIS_URL"] = f"redis://server:{CANARY}@127.0.0.1:1/0"


def no_redis_url(environ: Environ) -> None:
    environ["TUNER_REDIS_URL"] = f"http://{CANARY}@host"


def no_database_url(environ: Environ) -> None:
    environ["TUNER_DATABASE_URL"] = f"mysql://me:{CANARY}@host/x"


def dead_postgres(environ: Environ) -> None:
    environ["TUNER_DATABASE_URL"] = f"postgresql+psycopg://me:{CANARY}@127.0.0.1:1/x"


def wrong_setting(environ: Environ) -> None:
    environ["TUNER_LOG_FORMAT"] = "xml"


def killed_service(environ: Environ) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    info = {
        "pid": dead.pid,
        "url": "http://127.0.0.1:1",
        "started": "",
        "release": "",
        "persistent": True,
        "redis": "",
    }
    (home_of(environ) / "service.json").write_text(json.dumps(info))


@contextlib.contextmanager
def other_server(environ: Environ) -> Iterator[None]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environ.update(TUNER_API_URL=f"http://127.0.0.1:{server.server_port}", TUNER_TOKEN=CANARY)
    yield
    server.shutdown()


#: What is broken, how, and what is said of it: level, subject, words of the text and the advice.
BREAKAGES: dict[str, tuple[Break, str, str, str, str]] = {
    "damaged database": (damage, "failed", "database", "is damaged", "tuner db restore"),
    "truncated database": (
        truncate,
        "failed",
        "database",
        "is damaged or cut off",
        "tuner db restore",
    ),
    "empty database": (empty, "failed", "database", "is empty", "tuner db restore"),
    "foreign database": (
        foreign,
        "failed",
        "database",
        "is not an SQLite database",
        "tuner db restore",
    ),
    "folder as database": (
        folder_for_the_database,
        "failed",
        "database",
        "is a folder",
        "move the file away",
    ),
    "older database": (revision("0001"), "failed", "database", "revision 0001", "tuner db upgrade"),
    "newer database": (revision("9999"), "failed", "database", "'9999'", ""),
    "locked database": (lock, "failed", "database", "locked", "fuser"),
    "no database URL": (no_database_url, "failed", "database", "not supported", ""),
    "dead PostgreSQL": (dead_postgres, "failed", "database", "not available", ""),
    "lost rows": (optuna_rows_gone, "warning", "studies", "contradiction", "tuner db check"),
    "open home": (open_home, "warning", "home", "others can read", "chmod 700"),
    "open token": (open_token, "failed", "token", "others can read", "rm "),
    "file as log root": (
        file_for_the_logs,
        "failed",
        "log root",
        "is not a folder",
        "TUNER_LOG_ROOT",
    ),
    "nowhere to write": (
        *(nowhere_for_checkpoints, "failed", "checkpoints"),
        *("cannot be written", "TUNER_CHECKPOINT_ROOT"),
    ),
    "no server": (no_server, "failed", "service", "does not answer", "TUNER_API_URL"),
    "another server": (other_server, "failed", "service", "is not a Tuner server", "TUNER_API_URL"),
    "dead Redis": (dead_redis, "failed", "redis", "cannot be used", ""),
    "no Redis URL": (no_redis_url, "failed", "redis", "not a Redis URL", ""),
    "killed service": (killed_service, "warning", "service", "has been killed", "starts it again"),
    "wrong setting": (wrong_setting, "failed", "settings", "must be text or json", "that variable"),
}
