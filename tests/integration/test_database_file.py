"""A damaged, cut, foreign or empty database file: one sentence, which file, and the way back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.databases.lab import Cli, read_rows
from tests.support.hostile.study_faults import VICTIM, build
from tuner.local.closing import close_home
from tuner.storage import open_storage

Damage = Callable[[bytes], bytes]

DAMAGES: dict[str, tuple[Damage, str]] = {
    "empty": (lambda _good: b"", "is empty (0 bytes)"),
    "a text": (lambda _good: b"once upon a time\n" * 900, "is not an SQLite database"),
    "cut off": (lambda good: good[: len(good) // 3], "is damaged or cut off"),
    "cut in its header": (lambda good: good[:60], "is damaged or cut off"),
    "its first page overwritten": (
        lambda good: good[:100] + b"\xff" * 3996 + good[4096:],
        "is damaged or cut off",
    ),
}
COMMANDS = (
    ("list",),
    ("status", VICTIM),
    ("best", VICTIM),
    ("events", VICTIM),
    ("history", "list"),
    ("workers", "list"),
    ("pause", VICTIM),
    ("delete", VICTIM, "--yes"),
    ("serve", "--port", "0"),
    ("db", "upgrade"),
    ("db", "backup", "-"),
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("good") / "home"
    build(home)
    with sqlite3.connect(home / "tuner.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return home / "tuner.db"


def damaged(tmp_path: Path, good: Path, damage: str) -> Cli:
    path = tmp_path / "home" / "tuner.db"
    path.parent.mkdir()
    path.write_bytes(DAMAGES[damage][0](good.read_bytes()))
    return Cli(path.parent, f"sqlite:///{path}")


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_command_says_which_file_is_damaged_and_the_way_back(
    good: Path, tmp_path: Path, damage: str
) -> None:
    cli = damaged(tmp_path, good, damage)
    for command in COMMANDS:
        done = cli.run(*command)

        assert done.code in (1, 2), (command, done)
        assert done.err.count("\n") == 1, (command, done.err)
        assert str(cli.home / "tuner.db") in done.err, (command, done.err)
        assert DAMAGES[damage][1] in done.err, (command, done.err)
        assert "tuner db restore FILE --force" in done.err, (command, done.err)
        assert "Traceback" not in done.err + done.out
        assert "sqlalche" not in done.err
    found = cli.run("db", "check")
    assert found.code == 1
    assert DAMAGES[damage][1] in found.out


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_way_back_works_and_keeps_the_damaged_file(
    good: Path, tmp_path: Path, damage: str
) -> None:
    whole = Cli(good.parent, f"sqlite:///{good}")
    backup = tmp_path / "good.backup"
    whole.ok("db", "backup", backup)
    cli = damaged(tmp_path, good, damage)
    content = (cli.home / "tuner.db").read_bytes()
    cli.refused(2, "db", "restore", backup)
    untouched = (cli.home / "tuner.db").read_bytes()
    said = cli.ok("db", "restore", backup, "--force").err

    assert untouched == content
    (kept,) = cli.home.glob("tuner.db.damaged-*[0-9]Z")
    assert kept.read_bytes() == content
    assert str(kept) in said
    assert set(read_rows(cli.database_url)) == set(read_rows(whole.database_url))
    assert VICTIM in cli.ok("list").out


def test_a_backup_that_is_damaged_too_leaves_the_file_where_it_was(
    good: Path, tmp_path: Path
) -> None:
    cli = damaged(tmp_path, good, "cut off")
    (tmp_path / "bad.backup").write_bytes(b"no backup")
    cli.refused(2, "db", "restore", tmp_path / "bad.backup", "--force")

    assert sorted(p.name for p in cli.home.glob("tuner.db*")) == ["tuner.db"]


def test_an_optuna_schema_that_is_newer_than_ours_is_refused_at_the_start(
    good: Path, tmp_path: Path
) -> None:
    path = tmp_path / "home" / "tuner.db"
    path.parent.mkdir()
    path.write_bytes(good.read_bytes())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE version_info SET schema_version = 13")
    cli = Cli(path.parent, f"sqlite:///{path}")
    for command in (("serve", "--port", "0"), ("list",), ("db", "upgrade")):
        assert "have schema 13, which the Optuna installed here" in cli.refused(2, *command)


def locks_of(path: Path) -> list[str]:
    """Return the locks that this process has on a file, as the kernel lists them."""
    inode = str(path.stat().st_ino)
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return sorted(
        " ".join([parts[3], *parts[6:]])
        for parts in lines
        if parts[4] == str(os.getpid()) and parts[5].rpartition(":")[2] == inode
    )


def test_nothing_takes_the_locks_off_a_database_that_is_open(good: Path, tmp_path: Path) -> None:
    path = tmp_path / "home" / "tuner.db"
    path.parent.mkdir()
    path.write_bytes(good.read_bytes())
    storage = open_storage(f"sqlite:///{path}", create=True)
    with storage.begin() as connection:
        connection.exec_driver_sql("UPDATE tuner_leader SET epoch = epoch")
    before = locks_of(path)
    for name in ("tuner.db", "tuner.db-wal", "tuner.db-shm"):
        path.with_name(name).chmod(0o644)
    close_home(path.parent)
    modes = {path.with_name(f"tuner.db{suffix}").stat().st_mode & 0o777 for suffix in ("", "-shm")}
    open_storage(f"sqlite:///{path}", create=False).close()
    after = locks_of(path)
    storage.close()

    assert before, "SQLite holds one while the database is open"
    assert after == before
    assert modes == {0o600}
