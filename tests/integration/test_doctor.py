"""`tuner doctor` against breakages that are really made: each is found, with what to do."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.history.database import complete, grid, history_database
from tests.support.hostile.doctor_breakages import (
    BREAKAGES,
    CANARY,
    Break,
    Environ,
    damage,
    home_of,
    open_token,
)
from tests.support.patience import clock
from tests.support.terminal import on_a_terminal
from tuner.local.doctor import DoctorFinding, examine
from tuner.queue.redis_faults import known_faults
from tuner.queue.redis_server import RedisServer

REPOSITORY = Path(__file__).parents[2]
NOBODY = 65534


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


def found(findings: list[DoctorFinding], subject: str, level: str) -> list[DoctorFinding]:
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
