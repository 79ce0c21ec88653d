"""What another account of this machine can do with a home: nothing."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.patience import clock
from tuner.local.closing import close_home, close_roots, open_to_others
from tuner.local.home import home_lock, make_home
from tuner.settings import load_settings

REPOSITORY = Path(__file__).parents[2]
NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")

#: What a home of an earlier release holds, and with which modes it was made.
OLD = {
    "tuner.db": 0o644,
    "tuner.db-wal": 0o644,
    "tuner.db-shm": 0o644,
    "service.json": 0o644,
    "service.log": 0o644,
    "port": 0o644,
    "token": 0o600,
    "logs/vision/s/trial_00000-20261122T231005Z/output.log": 0o644,
    "checkpoints/vision/s/trial_00000/weights": 0o644,
    "code/abc/objective.py": 0o644,
    "fleets/host.log": 0o644,
    "redis/redis.log": 0o644,
    "runs/commands/vision/s.json": 0o644,
}


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every account may enter; pytest's own are closed."""
    done = subprocess.run(
        ["mktemp", "-d", "-t", "tuner-modes-XXXXXX"], capture_output=True, text=True, check=True
    )
    folder = Path(done.stdout.strip())
    folder.chmod(0o755)
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)


@pytest.fixture
def old_home(public: Path) -> Path:
    home = public / "home"
    for name, mode in OLD.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a secret\n")
        path.chmod(mode)
    return home


def readable(home: Path, *, among: list[str] | None = None) -> list[str]:
    """What another account can read of a home; it knows the name of every file."""
    paths = among or [str(path) for path in home.rglob("*") if path.is_file()]
    code = (
        f"import os, sys; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "for path in sys.argv[1:]:\n"
        "    try: open(path, 'rb').close(); print(path)\n"
        "    except OSError: pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *paths], capture_output=True, text=True, check=True
    )
    return [str(Path(line).relative_to(home)) for line in done.stdout.splitlines()]


@needs_root
def test_a_home_of_an_earlier_release_is_closed_at_the_next_start(old_home: Path) -> None:
    assert len(readable(old_home)) == len(OLD) - 1, "the home is not as it used to be"

    make_home(old_home)
    close_roots(load_settings({"TUNER_HOME": str(old_home)}))

    assert readable(old_home) == []


@needs_root
def test_a_home_that_holds_something_of_the_users_stays_open_and_ours_in_it_does_not(
    old_home: Path,
) -> None:
    own = old_home / "thesis.pdf"
    own.write_text("mine")

    make_home(old_home)
    close_roots(load_settings({"TUNER_HOME": str(old_home)}))

    assert readable(old_home) == ["thesis.pdf"]
    assert stat.S_IMODE(own.stat().st_mode) == 0o644


@needs_root
def test_a_log_root_that_was_named_stays_as_its_operator_made_it(
    old_home: Path, public: Path
) -> None:
    shared = public / "shared"
    shared.mkdir()
    shared.chmod(0o2775)
    environ = {"TUNER_HOME": str(old_home), "TUNER_LOG_ROOT": str(shared)}

    make_home(old_home)
    close_roots(load_settings(environ))

    assert stat.S_IMODE(shared.stat().st_mode) == 0o2775
    assert open_to_others(load_settings(environ)) == []


@pytest.mark.slow
@needs_root
def test_a_service_and_its_run_leave_nothing_that_others_can_read(public: Path) -> None:
    home = public / "home"
    home.mkdir(mode=0o755)
    (home / "notes.txt").write_text("the user's own, so that the home stays open")
    environ = {**os.environ, "TUNER_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-P", "-m", "tuner"]
    service = subprocess.Popen([*command, "serve"], env=environ, stderr=subprocess.DEVNULL)
    try:
        end = clock() + 60
        while not (home / "service.json").exists():
            assert service.poll() is None
            assert clock() < end
        # Asked while it runs, so that SQLite's companions are there.
        subprocess.run([*command, "list"], env=environ, check=True, capture_output=True)
        assert (home / "tuner.db-wal").exists()
        assert readable(home) == ["notes.txt"]
    finally:
        service.terminate()
        service.wait()
    assert readable(home) == ["notes.txt"]


def test_a_link_in_a_home_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o644)
    home = tmp_path / "home"
    home.mkdir()
    (home / "service.log").symlink_to(outside)

    close_home(home)

    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


def test_what_a_command_makes_under_the_lock_is_closed_when_it_leaves(tmp_path: Path) -> None:
    settings = load_settings({"TUNER_HOME": str(tmp_path / "home")})
    with home_lock(settings):
        database = settings.home / "tuner.db"
        database.write_text("made by SQLite")
        database.chmod(0o644)

    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert open_to_others(settings) == []
