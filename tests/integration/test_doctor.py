"""`tuner doctor` against breakages that are really made: each is found, with what to do."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.history_database import complete, grid, history_database
from tests.patience import clock
from tests.terminal import on_a_terminal
from tuner.local.doctor import Finding, examine
from tuner.queue.redis_faults import known_faults
from tuner.queue.redis_server import RedisServer

REPOSITORY = Path(__file__).parents[2]
NOBODY = 65534
#: Stands in every secret of these tests.
CANARY = "canary-4711"

Environ = dict[str, str]
Break = Callable[[Environ], contextlib.AbstractContextManager[None] | None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a study, closed to others, that no service runs in."""
    home = tmp_path_factory.mktemp("whole") / "home"
    home.mkdir(mode=0o700)
    with history_database(home) as base:
        base.add_study("s", [complete(params, 0.5) for params in grid(3)])
    (home / "history.db").rename(home / "tuner.db")
    for path in (home / "tuner.db", home / "token"):
        path.touch()
        path.chmod(0o600)
    (home / "token").write_text(f"{CANARY}\n")
    with sqlite3.connect(home / "tuner.db") as connection:
        # The rows of this lab have no trials in Optuna's tables, which the doctor would see.
        connection.execute("DELETE FROM tuner_trials")
    connection.close()
    return home


@pytest.fixture
def environ(whole: Path, tmp_path: Path) -> Environ:
    home = tmp_path / "home"
    shutil.copytree(whole, home)
    return {"TUNER_HOME": str(home), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}


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
    "foreign database": (foreign, "failed", "database", "no SQLite database", "tuner db restore"),
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
    "file as log root": (file_for_the_logs, "failed", "log root", "is no folder", "TUNER_LOG_ROOT"),
    "nowhere to write": (
        *(nowhere_for_checkpoints, "failed", "checkpoints"),
        *("cannot be written", "TUNER_CHECKPOINT_ROOT"),
    ),
    "no server": (no_server, "failed", "service", "does not answer", "TUNER_API_URL"),
    "another server": (other_server, "failed", "service", "is no Tuner", "TUNER_API_URL"),
    "dead Redis": (dead_redis, "failed", "redis", "cannot be used", ""),
    "no Redis URL": (no_redis_url, "failed", "redis", "not a Redis URL", ""),
    "killed service": (killed_service, "warning", "service", "has been killed", "starts it again"),
    "wrong setting": (wrong_setting, "failed", "settings", "must be text or json", "that variable"),
}


def found(findings: list[Finding], subject: str, level: str) -> list[Finding]:
    return [item for item in findings if (item.subject, item.level) == (subject, level)]


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_breakage_is_found_with_what_to_do_and_without_a_secret(
    name: str, environ: Environ
) -> None:
    make, level, subject, text, advice = BREAKAGES[name]
    before = {
        path for path in home_of(environ).rglob("*") if path.suffix not in (".db-wal", ".db-shm")
    }
    with made(make, environ):
        findings = examine(environ)

    said = found(findings, subject, level)
    assert any(text in item.text and advice in item.advice for item in said), findings
    assert findings[0].level == level, "the most important comes first"
    assert CANARY not in str(findings)
    assert "could not be looked at" not in str(findings)
    left = {
        path for path in home_of(environ).rglob("*") if path.suffix not in (".db-wal", ".db-shm")
    }
    assert not {path.name for path in left - before} - {"service.json", "port"}, "it made something"


@contextlib.contextmanager
def made(make: Break, environ: Environ) -> Iterator[None]:
    held = make(environ)
    with held if held is not None else contextlib.nullcontext():
        yield


def test_a_whole_home_is_well_and_an_empty_place_too(environ: Environ, tmp_path: Path) -> None:
    assert {item.level for item in examine(environ)} == {"ok"}

    environ["TUNER_HOME"] = str(tmp_path / "nothing-yet")

    assert {item.level for item in examine(environ)} == {"ok"}
    assert not (tmp_path / "nothing-yet").exists()


def test_a_check_that_hangs_is_a_finding_and_the_others_go_on(
    environ: Environ, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(home_of(environ) / "ca")
    environ["TUNER_CA_FILE"] = str(home_of(environ) / "ca")
    environ.update(TUNER_API_URL="https://127.0.0.1:1", TUNER_TOKEN=CANARY)

    findings = examine(environ, patience_s=0.5)

    assert "does not answer" in found(findings, "service", "failed")[0].text
    assert found(findings, "home", "ok")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_home_of_another_account_is_named_and_nothing_is_left_in_it(environ: Environ) -> None:
    home = home_of(environ)
    for path in (home, *home.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    before = sorted(home.rglob("*"))

    findings = examine(environ)

    assert "belongs to nobody, and you are root" in found(findings, "home", "failed")[0].text
    assert "not looked into" in found(findings, "database", "warning")[0].text
    assert sorted(home.rglob("*")) == before


@pytest.fixture
def service(environ: Environ) -> Iterator[Environ]:
    """A real service of the home, with its private Redis."""
    command = [sys.executable, "-P", "-m", "tuner", "serve"]
    running = {**os.environ, **environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(command, env=running, stderr=subprocess.DEVNULL)
    end = clock() + 60
    while not (home_of(environ) / "service.json").exists():
        assert process.poll() is None
        assert clock() < end
    yield environ
    process.terminate()
    process.wait()


def test_a_running_service_is_looked_at_and_what_breaks_beside_it(service: Environ) -> None:
    well = examine(service)
    assert {item.level for item in well} == {"ok"}, well
    assert "ready at http" in found(well, "service", "ok")[0].text
    assert "private, " in found(well, "redis", "ok")[0].text

    wrong = examine({**service, "TUNER_TOKEN": "wrong"})
    assert "not valid" in found(wrong, "token", "failed")[0].text
    assert "unset TUNER_TOKEN" in found(wrong, "token", "failed")[0].advice

    socket = json.loads((home_of(service) / "redis" / "access.json").read_text())["socket"]
    server = int(Path(socket).parent.name.split("-")[2])
    redis = int(
        subprocess.run(
            ["pgrep", "-P", str(server), "-f", "redis|valkey"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    os.kill(redis, signal.SIGSTOP)
    try:
        frozen = examine(service)
    finally:
        os.kill(redis, signal.SIGCONT)
    assert "does not answer" in found(frozen, "redis", "failed")[0].text

    with contextlib.closing(sqlite3.connect(home_of(service) / "tuner.db")) as connection:
        connection.execute(
            "INSERT INTO tuner_workers (name, host, pid, device, state, out_reason, out_since,"
            " first_seen, last_seen, release, drain, drain_reason, failed_json, test_tries) VALUES"
            " ('w1', 'gpu-7', 1, 'gpu', 'idle', 'no GPU is seen', 1e9, 1e9, 4e9, '0.0.1', 0, '',"
            " '[]', 0)"
        )
        connection.commit()
    out = found(examine(service), "workers", "warning")
    assert "w1 on gpu-7 is out of service: no GPU is seen" in out[0].text
    assert "tuner workers test w1" in out[0].advice
    assert "0.0.1" in out[1].text


def test_a_given_redis_with_known_faults_is_a_warning(
    environ: Environ, private_redis: RedisServer
) -> None:
    environ["TUNER_REDIS_URL"] = private_redis.url

    said = [item for item in examine(environ) if item.subject == "redis"]

    assert len(said) == 1
    assert said[0].level in ("ok", "warning")
    assert ("known faults" in said[0].text) == (said[0].level == "warning")


@pytest.mark.parametrize(
    ("product", "version", "has_faults"),
    [
        ("Redis", (6, 2, 14), True),
        ("Redis", (6, 2, 24), False),
        ("Redis", (7, 0, 15), True),
        ("Redis", (7, 4, 11), False),
        ("Redis", (9, 0, 0), False),
        ("Valkey", (9, 1, 2), False),
        ("Valkey", (9, 1, 0), True),
        ("Other", (1, 0), False),
    ],
)
def test_known_faults_go_by_product_and_release(
    product: str, version: tuple[int, ...], has_faults: bool
) -> None:
    assert (known_faults(product, version) is not None) == has_faults


def test_the_screen_is_80_columns_wide_and_the_worst_stands_first(environ: Environ) -> None:
    damage(environ)
    environ.update(TERM="xterm-256color", LANG="C.UTF-8")

    status, said = on_a_terminal(["doctor"], environ, width=80)

    lines = [plain(line) for line in said.splitlines()]
    assert status == 1
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("failed")
    assert "Traceback" not in said


def plain(line: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).rstrip()


def test_json_holds_every_finding_and_the_exit_code_says_whether_one_failed(
    environ: Mapping[str, str],
) -> None:
    environ = {**os.environ, **environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-P", "-m", "tuner", "doctor", "--json"]
    well = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert json.loads(well.stdout)["healthy"] is True

    open_token(dict(environ))
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["healthy"] is False
    assert set(document["findings"][0]) == {"level", "subject", "text", "advice"}
    assert document["findings"][0]["subject"] == "token"
