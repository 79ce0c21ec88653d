"""What is planted is there, what touches the guard is seen, and a study's rows can be deleted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.audit import audited, check_audit, has_strace
from tests.chaos.faults_planting import put_right
from tests.chaos.guard import SECRET, Guard
from tests.chaos.objectives import planting


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guard:
    guard = Guard(tmp_path / "guard")
    monkeypatch.setenv(planting.GUARD, str(guard.path))
    return guard


TOUCHES: dict[str, Callable[[Path], object]] = {
    "precious.txt was opened": lambda path: (path / "precious.txt").read_bytes(),
    "victim was opened": lambda path: list((path / "victim").iterdir()),
    "trial.json was written": lambda path: (path / "trial.json").write_text("x"),
    "victim/precious.txt was removed": lambda path: (path / "victim" / "precious.txt").unlink(),
    "forged was made": lambda path: (path / "forged").mkdir(),
    "precious.txt was its attributes changed": lambda path: os.utime(path / "precious.txt"),
    "trial_00000 was moved": lambda path: (path / "trial_00000").rename(path / "x"),
    "it was (33184": lambda path: (path / "victim" / "precious.txt").chmod(0o600),
}


@pytest.mark.parametrize("said", TOUCHES)
def test_whatever_touches_the_guard_is_seen(guard: Guard, said: str) -> None:
    guard.watch()
    TOUCHES[said](guard.path)

    found = list(guard.violations())

    assert any(said in what for what in found), found


def test_a_guard_that_is_only_looked_at_from_outside_is_whole(guard: Guard) -> None:
    guard.watch()
    link = guard.path.with_name("link")
    link.symlink_to(guard.path / "precious.txt")
    assert link.is_file()
    link.unlink()

    assert list(guard.violations()) == []


@pytest.mark.parametrize("order", planting.combinations())
def test_every_order_plants_what_it_says(order: str, guard: Guard, tmp_path: Path) -> None:
    kind, _, place = order.partition("@")
    target = tmp_path / "logs" / "planters" / place
    if place in planting.FOLDERS:
        target.mkdir(parents=True)
        (target / "inside").touch()
    else:
        target.parent.mkdir(parents=True)
        target.write_bytes(b"ours")
    guard.watch()

    planting.PLANTS[kind](target)

    kinds = {
        "FIFO": target.is_fifo,
        "folder": target.is_dir,
        "file": target.is_file,
        "link": lambda: str(target.readlink()).startswith(str(guard.path)),
        "loop": lambda: str(target.readlink()) == target.name,
        "hard link": lambda: SECRET in target.read_text(),
        "device": lambda: target.is_char_device() or target.is_fifo(),
        "sparse file": lambda: target.stat().st_size == planting.SPARSE_BYTES,
        "deep JSON": lambda: target.read_bytes() == b"[" * planting.DEEP,
        "many files": lambda: len(list(target.iterdir())) > planting.MANY,
        "renamed": lambda: not target.exists(),
        "removed": lambda: not target.exists(),
    }
    if kind == "hard link":
        # It is one of the guard's own files, so reading it is seen as well.
        guard.close()
    assert kinds.get(kind, target.exists)()
    if kind != "hard link":
        assert list(guard.violations()) == []


@pytest.mark.parametrize("kind", ["file", "link", "loop", "FIFO", "renamed"])
@pytest.mark.parametrize("place", ["", "planting", "planting/_study"])
def test_what_was_planted_for_a_folder_is_put_right(
    kind: str, place: str, guard: Guard, tmp_path: Path
) -> None:
    root = tmp_path / "logs"
    inside = root / "planters" / "planting" / "_study" / "inside"
    inside.parent.mkdir(parents=True)
    inside.write_bytes(b"ours")
    planting.PLANTS[kind](root / "planters" / place)
    assert not inside.exists()

    put_right(root, root / "planters")

    assert inside.read_bytes() == b"ours"


@pytest.mark.skipif(not has_strace(), reason="needs strace")
def test_the_audit_sees_what_is_read_in_the_guard_and_written_outside_the_roots(
    guard: Guard, tmp_path: Path
) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    root.mkdir()
    other.mkdir()
    (root / "link").symlink_to(guard.path)
    good = f"import os; open('{root}/a', 'w').close(); os.rename('{root}/a', '{root}/b')"
    bad = {
        "in the guard": f"open('{root}/link/precious.txt').close()",
        "other/made, outside": f"open('{other}/made', 'w').close()",
        "unlink": f"import os; os.unlink('{other}/made')",
        "rmdir": f"import os; os.rmdir('{other}')",
        "truncate": f"import os; os.truncate('{root}/link/trial.json', 1)",
    }

    def audit(code: str) -> list[str]:
        log = tmp_path / "calls.log"
        subprocess.run([*audited(log), sys.executable, "-c", code], cwd=tmp_path, check=True)
        return list(check_audit(log, roots=[root], guard=guard.path))

    assert audit(good) == []
    for said, code in bad.items():
        assert any(said in what for what in audit(code)), said


def test_an_audit_without_a_call_is_no_audit(tmp_path: Path) -> None:
    (tmp_path / "calls.log").write_text("")
    assert list(check_audit(tmp_path / "calls.log", roots=[], guard=tmp_path)) != []


def test_planting_is_possible_where_the_log_root_is_another_file_system(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(planting.GUARD, "/proc")
    planting.PLANTS["hard link"](tmp_path / "trial.json")
    assert (tmp_path / "trial.json").stat().st_nlink == 2
    shutil.rmtree(tmp_path / "guard")
