"""TensorBoard sees regular event files of its study, and gets no right and no word beside."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.board.event_files import write_run
from tests.support.hostile.guard import SECRET, Guard
from tests.support.hostile.planted import CASES, Ground, plant, plant_crowd
from tuner.board import view as view_module
from tuner.board.confinement import board_environment, board_rights
from tuner.board.landlock import landlock_abi
from tuner.board.records import MOST_BYTES
from tuner.board.view import View
from tuner.roots import Place
from tuner.tfevents.framing import frame, masked_crc

STUDY = "project/study"
GOOD = "trial_00001"
BAD = "trial_00002"

needs_landlock = pytest.mark.skipif(landlock_abi() < 1, reason="this kernel has no Landlock")


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    made = Ground(
        log_root=tmp_path / "logs",
        checkpoint_root=tmp_path / "checkpoints",
        run_dir=f"{STUDY}/{BAD}",
        checkpoint_dir=f"{STUDY}/{BAD}",
        guard=tmp_path / "guard",
    )
    for name in (GOOD, BAD, "_study"):
        write_run(made.run.parent / name)
    return made


@pytest.fixture
def view(ground: Ground, tmp_path: Path) -> View:
    made = View(Place(ground.log_root, STUDY), tmp_path / "view")
    made.refresh()
    return made


def shown(view: View) -> dict[str, Path]:
    """Return what the links of a view lead to, by run; each run here has one file."""
    links = [path for path in view.folder.rglob("*") if path.is_symlink()]
    return {str(link.parent.relative_to(view.folder)): link.readlink() for link in links}


def test_every_run_is_shown_under_its_own_name(ground: Ground, view: View) -> None:
    write_run(ground.run / "validation")
    view.refresh()

    assert shown(view).keys() == {GOOD, BAD, f"{BAD}/validation", "_study"}
    assert all(target.parent == ground.run.parent / run for run, target in shown(view).items())
    assert view.left_out == {}


@pytest.mark.parametrize(("kind", "place"), [case for case in CASES if case[0] != "crowd"])
def test_whatever_a_trial_leaves_other_runs_are_shown_and_nothing_but_files_is(
    kind: str, place: str, ground: Ground, view: View
) -> None:
    inner = (BAD, STUDY, f"study/{BAD}", "study", "study/_study", "_study")
    with Guard(ground.guard, inner) as guard:
        try:
            plant(kind, place, ground)
        except PermissionError:
            pytest.skip("this process may make no device")
        guard.uses()  # by the planting
        view.refresh()
        guard.check()

        # Above the runs, what stands there has taken them away.
        assert place in ("study", "project") or GOOD in shown(view)
        for link in (path for path in view.folder.rglob("*") if path.is_symlink()):
            found = link.readlink()
            assert not found.is_symlink()
            assert found.is_file()
            assert found.stat().st_nlink == 1
            assert found.resolve().is_relative_to(ground.log_root)


def test_a_run_that_comes_back_is_shown_again(ground: Ground, view: View) -> None:
    ground.run.rename(ground.run.with_name("elsewhere"))
    ground.run.write_text("a file")
    view.refresh()
    without = shown(view)
    ground.run.unlink()
    ground.run.with_name("elsewhere").rename(ground.run)
    view.refresh()

    assert BAD not in without
    assert "elsewhere" in without
    assert BAD in shown(view)
    assert "elsewhere" not in shown(view)


def test_a_record_that_says_it_is_huge_takes_its_file_away_also_when_it_comes_later(
    ground: Ground, view: View
) -> None:
    (events,) = ground.run.glob("*tfevents*")
    length = (MOST_BYTES + 1).to_bytes(8, "little")
    with events.open("ab") as file:
        file.write(frame(b"\x09" + bytes(8)))
        file.write(length + masked_crc(length).to_bytes(4, "little"))
    view.refresh()

    assert shown(view).keys() == {GOOD, "_study"}
    ((path, reason),) = view.left_out.items()
    assert path == f"{BAD}/{events.name}"
    assert f"record of {MOST_BYTES + 1} bytes" in reason


def test_a_long_file_is_shown_once_all_of_it_has_been_looked_at(
    ground: Ground, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "MOST_RECORDS", 40)
    write_run(ground.run.with_name("trial_00003"), steps=100)
    rounds = 0
    while "trial_00003" not in shown(view):
        view.refresh()
        rounds += 1

    assert rounds == 3


def test_of_a_crowd_a_bounded_number_is_shown_with_the_reason(
    ground: Ground, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "MOST_FILES", 10)
    monkeypatch.setattr(view_module, "MOST_FOLDERS", 10)
    plant_crowd(ground.run, "events.out.tfevents.", 30)
    for number in range(30):
        write_run(ground.run.with_name("trial_00003") / f"part{number}")
    view.refresh()

    links = [path.parent.name for path in view.folder.rglob("*") if path.is_symlink()]
    assert links.count(BAD) == 10
    assert sum(name.startswith("part") for name in links) < 10
    assert GOOD in links
    assert view.left_out[BAD] == "holds more than 10 event files"
    assert "more than 10 folders" in view.left_out["trial_00003"]


def test_a_board_process_gets_no_variable_that_may_be_a_secret(tmp_path: Path) -> None:
    environ = {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
        "TUNER_TOKEN": SECRET,
        "TUNER_DATABASE_URL": SECRET,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "WANDB_API_KEY": SECRET,
        "HOME": "/home/user",
    }

    found = board_environment(environ, tmp_path, tmp_path / "logs")

    assert SECRET not in found.values()
    assert found["PATH"] == "/bin"
    assert found["HOME"] == found["TMPDIR"] == str(tmp_path)
    assert found["TUNER_BOARD_SOURCE"] == str(tmp_path / "logs")


#: Run in a process of its own: what is given up is given up for good.
TRIES = """
import os, socket, sys
from pathlib import Path
from tuner.board.confinement import board_rights
from tuner.board.landlock import confine, landlock_abi

logs, view, home, outside, port = *map(Path, sys.argv[1:5]), int(sys.argv[5])
confine(board_rights(logs, view, home, port))

def tries(what, act):
    try:
        act()
    except OSError as exc:
        print(what, "refused" if exc.errno in (1, 13) else exc)
    else:
        print(what, "done")

def bind(number):
    with socket.socket() as made:
        made.bind(("127.0.0.1", number))

tries("read the logs", (logs / "events").read_bytes)
tries("read through a link in the logs", (logs / "link").read_bytes)
tries("read outside", (outside / "precious").read_bytes)
tries("list outside", lambda: os.listdir(outside))
tries("read accounts", Path("/etc/passwd").read_bytes)
tries("read the environment of the parent", Path(f"/proc/{os.getppid()}/environ").read_bytes)
tries("write the logs", lambda: (logs / "events").write_bytes(b""))
tries("remove a log", (logs / "events").unlink)
tries("write outside", lambda: (outside / "new").write_bytes(b""))
tries("write its own folder", lambda: (home / "new").write_bytes(b""))
tries("write the view", lambda: (view / "new").write_bytes(b""))
tries("run a program", lambda: os.posix_spawn("/bin/true", ["true"], {}))
if landlock_abi() >= 4:
    tries("listen at its port", lambda: bind(port))
    tries("listen at another", lambda: bind(port + 1))
if landlock_abi() >= 6:
    tries("signal its parent", lambda: os.kill(os.getppid(), 0))
"""
ALLOWED = {"read the logs", "write its own folder", "run a program", "listen at its port"}


@needs_landlock
def test_a_confined_process_reads_logs_and_itself_and_writes_its_scratch_folder_only(
    tmp_path: Path,
) -> None:
    folders = {name: tmp_path / name for name in ("logs", "view", "home", "outside")}
    for folder in folders.values():
        folder.mkdir()
    (folders["logs"] / "events").write_text("events")
    (folders["outside"] / "precious").write_text(SECRET)
    (folders["logs"] / "link").symlink_to(folders["outside"] / "precious")
    port = 20_000 + os.getpid() % 10_000

    done = subprocess.run(
        [sys.executable, "-c", TRIES, *map(str, folders.values()), str(port)],
        check=True,
        capture_output=True,
        text=True,
    )

    said = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    assert len(said) >= 12
    assert said == {what: "done" if what in ALLOWED else "refused" for what in said}


def test_the_rights_of_a_board_name_no_home_and_no_temporary_folder(tmp_path: Path) -> None:
    rights = board_rights(tmp_path / "logs", tmp_path / "view", tmp_path / "home", 6006)

    assert set(rights.write) == {tmp_path / "home", Path("/dev/null")}
    everywhere = {
        Path("/"),
        Path("/etc"),
        Path(tempfile.gettempdir()),
        Path("/home"),
        Path("/root"),
        Path.home(),
    }
    assert everywhere.isdisjoint({*rights.read, *rights.run})
