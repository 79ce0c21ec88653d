"""A fault of the machine is one sentence; a fault of ours is one too, with a file."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from tuner.cli.commands import read
from tuner.cli.faults import explain
from tuner.cli.main import main

Cli = Callable[..., tuple[int, str]]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run `tuner list` in which an error comes up; gives exit code and standard error."""

    def run(error: BaseException) -> tuple[int, str]:
        def fail() -> None:
            raise error

        monkeypatch.setattr(read, "list_studies", fail)
        with pytest.raises(SystemExit) as exit_info:
            main(["list"])
        return int(exit_info.value.code or 0), capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "/data/x: no space is left"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/data/x"), "/data/x: no space is left"),
        (OSError(errno.EROFS, "Read-only file system", "/data/x"), "/data/x: Read-only file"),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), "another TUNER_HOME"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "ulimit -u"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "no memory left"),
        (MemoryError(), "no memory left"),
        (OSError(errno.EIO, "Input/output error", "/data/x"), "/data/x: Input/output error"),
        (sa.exc.DatabaseError("SELECT 1", {}, Exception("malformed")), "database cannot be used"),
    ],
)
def test_a_state_of_the_machine_is_one_sentence(broken: Cli, error: Exception, said: str) -> None:
    code, err = broken(error)

    assert code == 1
    assert said in err
    assert len(err.splitlines()) == 1, err
    assert "Traceback" not in err
    assert "SELECT" not in err


def test_a_fault_of_ours_leaves_its_traceback_in_a_file(broken: Cli, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()

    code, err = broken(KeyError("nothing"))

    assert code == 1
    assert "an error of Tuner's own: KeyError: 'nothing'" in err
    assert len(err.splitlines()) == 1
    (path,) = home.glob("error-*.txt")
    assert str(path) in err
    assert "Traceback" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_fault_before_there_is_a_home_makes_none(broken: Cli, tmp_path: Path) -> None:
    code, err = broken(KeyError("nothing"))

    assert code == 1
    path = Path(err.rpartition(" ")[2].strip())
    assert "Traceback" in path.read_text()
    path.unlink()
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_state_of_the_machine_is_not_explained_away() -> None:
    assert explain(KeyError("x")) is None
    assert explain(OSError("odd")) is None


@pytest.mark.parametrize("args", [["--help"], ["list", "--json"], ["workers", "list", "--json"]])
def test_output_that_goes_to_a_full_disk_is_said(tmp_path: Path, args: list[str]) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - no path of a file
        done = subprocess.run(
            [sys.executable, "-m", "tuner", *args],
            env={**os.environ, "TUNER_HOME": str(tmp_path)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "tuner: what is printed cannot be written where it goes: No space left on device"
    ]


def test_a_database_that_is_none_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "tuner.db").write_bytes(b"no database" * 1000)

    with pytest.raises(SystemExit) as exit_info:
        main(["list"])

    assert exit_info.value.code == 2
    said = capsys.readouterr().err
    assert f"the database file {tmp_path}/home/tuner.db is not an SQLite database" in said
    assert "tuner db restore FILE --force" in said
