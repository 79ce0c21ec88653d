"""Damaged backups: each is refused with what is wrong, and the database stays as it was."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases.lab import Cli, read_rows, read_shape
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import Lab
from tuner.storage.revisions import newest

pytestmark = pytest.mark.slow

Lines = list[bytes]
Header = dict[str, Any]


@pytest.fixture(scope="module")
def good(
    make_service: Callable[..., AbstractContextManager[ServiceProcess]],
    tmp_path_factory: pytest.TempPathFactory,
) -> bytes:
    """A backup with two trials, one of which runs."""
    path = tmp_path_factory.mktemp("good") / "good.backup"
    with make_service("sqlite") as service:
        lab = Lab(service)
        lab.submit()
        worker = lab.worker()
        worker.claim().complete(0.5)
        worker.claim()
        Cli(service.home, service.database_url).ok("db", "backup", path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def home(good: bytes, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A home whose database must not be touched; nobody writes to it."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "good.backup").write_bytes(good)
    home = Cli(folder, f"sqlite:///{folder / 'tuner.db'}")
    home.ok("db", "restore", folder / "good.backup")
    return home


def repacked(lines: Lines) -> bytes:
    """Return a backup of these lines; the trailer is made anew, so that only they are wrong."""
    body = b"".join(line + b"\n" for line in lines)
    trailer = {"end": True, "rows": len(lines) - 1, "sha256": hashlib.sha256(body).hexdigest()}
    return gzip.compress(body + json.dumps(trailer).encode() + b"\n")


def body_of(good: bytes) -> Lines:
    """Return all lines but the trailer."""
    return gzip.decompress(good).splitlines()[:-1]


def with_header(change: Callable[[Header], object]) -> Callable[[bytes], bytes]:
    def damage(good: bytes) -> bytes:
        first, *rest = body_of(good)
        header = json.loads(first)
        change(header)
        return repacked([json.dumps(header).encode(), *rest])

    return damage


def with_row(table: str, column: str, value: Any) -> Callable[[bytes], bytes]:
    """Change a value in the last row of a table."""

    def damage(good: bytes) -> bytes:
        lines = body_of(good)
        number, head = 0, {}
        for head in json.loads(lines[0])["tables"]:
            number += head["rows"]
            if head["name"] == table:
                break
        row = json.loads(lines[number])
        row[[one["name"] for one in head["columns"]].index(column)] = value
        lines[number] = json.dumps(row).encode()
        return repacked(lines)

    return damage


def without_compression(good: bytes) -> bytes:
    return gzip.decompress(good)


def flipped(good: bytes) -> bytes:
    """Change one letter, and compress it well again."""
    return gzip.compress(gzip.decompress(good).replace(b"COMPLETE", b"complete", 1))


def table_named(header: Header, name: str) -> Any:
    return next(table for table in header["tables"] if table["name"] == name)


#: What is done to the file, and what its refusal says.
DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _good: b"", "ends before the header: it was cut off"),
    "a text": (lambda _good: b"select 1;\n", "is not a backup made by `tuner db backup`"),
    "another gzip": (lambda _good: gzip.compress(b"[1]\n"), "is not a backup made by"),
    "not compressed": (without_compression, "is not a backup made by `tuner db backup`"),
    "cut in the header": (lambda good: good[:40], "it was cut off"),
    "cut in the middle": (lambda good: good[: len(good) // 2], "it was cut off"),
    "last byte missing": (lambda good: good[:-1], "it was cut off"),
    "without trailer": (
        lambda good: gzip.compress(b"\n".join(body_of(good)) + b"\n"),
        "ends before the trailer: it was cut off",
    ),
    "a byte flipped": (
        lambda good: good[:200] + bytes([good[200] ^ 64]) + good[201:],
        "damaged|cut off|not JSON|not a backup|changed",
    ),
    "content changed": (flipped, "does not have the SHA-256 of the trailer: it was changed"),
    "something behind": (
        lambda good: gzip.compress(gzip.decompress(good) + b"[]\n"),
        "there is more after the trailer",
    ),
    "garbage behind": (lambda good: good + b"garbage", "is damaged near line"),
    "row missing": (lambda good: repacked(body_of(good)[:-1]), "must be row|expected|trailer"),
    "row twice": (
        lambda good: repacked([*body_of(good), body_of(good)[-1]]),
        "line .*: trailer: ",
    ),
    "no JSON": (lambda good: repacked([body_of(good)[0], b"{", *body_of(good)[2:]]), "not JSON"),
    "NaN": (lambda good: repacked([body_of(good)[0], b"[NaN]", *body_of(good)[2:]]), "not JSON"),
    "newer format": (
        with_header(lambda h: h.update(version=2, release="9.9")),
        "has format 2 of Tuner 9.9, this Tuner reads 1",
    ),
    "newer revision": (
        with_header(lambda h: h.update(revision="9999")),
        "made by a newer release. Install that release",
    ),
    "newer Optuna": (
        with_header(lambda h: h.update(optuna_revision="v9.0.0.a")),
        "a newer one has changed them",
    ),
    "unknown key": (with_header(lambda h: h.update(more=1)), "more: Extra inputs"),
    "negative count": (
        with_header(lambda h: h["tables"][0].update(rows=-1)),
        "tables.0.rows: Input should be greater",
    ),
    "unknown table": (
        with_header(lambda h: h["tables"].append({"name": "x", "columns": [], "rows": 0})),
        "its table x has other columns than revision",
    ),
    "table twice": (
        with_header(lambda h: h["tables"].append({**h["tables"][0], "rows": 0})),
        "has a table twice",
    ),
    "unknown column": (
        with_header(lambda h: h["tables"][0]["columns"][0].update(name="drop table")),
        "has other columns than revision",
    ),
    "table missing": (
        with_header(lambda h: h["tables"].remove(table_named(h, "trial_heartbeats"))),
        "lacks the table trial_heartbeats",
    ),
    "older revision than its columns": (
        with_header(lambda h: h.update(revision="0001")),
        "has other columns than revision 0001",
    ),
    "text for a number": (
        with_row("tuner_trials", "number", "one"),
        "table tuner_trials: 'one' is not a whole number",
    ),
    "number for a text": (with_row("tuner_studies", "name", 7), "'7' is not a text"),
    "no time": (with_row("trials", "datetime_start", "yesterday"), "table trials: "),
    "nothing where there must be something": (
        with_row("tuner_trials", "state", None),
        "contradicts itself: NOT NULL",
    ),
    "same number twice": (with_row("tuner_trials", "number", 0), "contradicts itself: UNIQUE"),
    "trial of no study": (with_row("trials", "study_id", 77), "contradicts itself: a row of the"),
    "study without Optuna's": (
        with_row("tuner_studies", "optuna_id", 77),
        "contradicts itself: tuner_studies refers to study_id 77",
    ),
    "trial without Optuna's": (
        with_row("tuner_trials", "optuna_id", 77),
        "contradicts itself: tuner_trials refers to trial_id 77",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_backup_is_refused_and_the_database_untouched(
    name: str, good: bytes, home: Cli, tmp_path: Path
) -> None:
    damage, reason = DAMAGE[name]
    path = tmp_path / "bad.backup"
    path.write_bytes(damage(good))
    before = read_rows(home.database_url)
    said = home.refused(2, "db", "restore", path, "--force")

    assert re.search(reason, said), said
    assert read_rows(home.database_url) == before
    assert not list(home.home.glob(".restore-*"))


def test_every_place_at_which_a_backup_is_cut_off_is_noticed(
    good: bytes, home: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "cut.backup"
    for length in range(0, len(good), max(1, len(good) // 25)):
        path.write_bytes(good[:length])

        assert "cut off" in home.refused(2, "db", "restore", path, "--check")
    path.write_bytes(good)
    assert "is whole" in home.ok("db", "restore", path, "--check").err


def test_a_damaged_backup_makes_no_database(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.backup"
    path.write_bytes(flipped(good))
    fresh = Cli(tmp_path / "home", f"sqlite:///{tmp_path / 'db' / 'tuner.db'}")
    fresh.refused(2, "db", "restore", path)

    assert list((tmp_path / "db").iterdir()) == []


def test_what_the_other_kind_of_database_cannot_hold_leaves_that_as_it_was(
    good: bytes, postgres_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "long.backup"
    path.write_bytes(with_row("tuner_studies", "name", "x" * 64)(good))
    home = Cli(tmp_path / "home", postgres_url)
    said = home.refused(2, "db", "restore", path)

    assert "the database refuses the backup and is as it was: value too long" in said
    assert read_shape(postgres_url)["revisions"] == []


def test_a_full_disk_leaves_the_database_as_it_was(good: bytes, home: Cli, tmp_path: Path) -> None:
    path = tmp_path / "good.backup"
    path.write_bytes(good)
    before = read_rows(home.database_url)
    full = home.run_apart("db", "restore", path, "--force", first="ulimit -f 150")

    assert full.code == 1
    assert "Traceback" not in full.err
    assert read_rows(home.database_url) == before
    assert not list(home.home.glob(".restore-*"))


def test_studies_of_others_are_not_replaced_unasked(good: bytes, tmp_path: Path) -> None:
    import optuna

    path = tmp_path / "good.backup"
    path.write_bytes(good)
    home = Cli(tmp_path, f"sqlite:///{tmp_path / 'tuner.db'}")
    optuna.create_study(study_name="mine", storage=home.database_url)
    said = home.refused(2, "db", "restore", path)

    assert "the database holds 1 studies of Optuna's, which Tuner did not make" in said
    home.ok("db", "restore", path, "--force")
    assert newest().tuner == read_shape(home.database_url)["revisions"][1][0][0]
