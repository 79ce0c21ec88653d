"""Below a root only regular files of bounded size are opened, and nothing outside is touched."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.hostile.planted import plant_crowd
from tuner.roots import Folder, Place, UnfitError, remove_folder

MOST = 1000


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious.txt").write_text("precious")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # A path of any length: the name of a socket has 107 bytes at most.
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


PLANTED: dict[str, Callable[[Path, Path], None]] = {
    "pipe": lambda path, _: os.mkfifo(path),
    "socket": lambda path, _: _socket(path),
    "folder": lambda path, _: path.mkdir(),
    "link": lambda path, outside: path.symlink_to(outside / "precious.txt"),
    "link to a folder": lambda path, outside: path.symlink_to(outside),
    "link to nothing": lambda path, outside: path.symlink_to(outside / "nothing"),
    "loop": lambda path, _: path.symlink_to(path),
    "hard link": lambda path, outside: os.link(outside / "precious.txt", path),
    "sparse file": lambda path, _: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 3 << 30),
    "device": lambda path, _: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_no_file_of_bounded_size_is_refused_with_a_reason(
    planted: str, root: Path, outside: Path
) -> None:
    PLANTED[planted](root / "trial.json", outside)
    with Folder.of_root(root) as folder, pytest.raises(UnfitError, match=r"trial\.json"):
        folder.read("trial.json", MOST)


@pytest.mark.parametrize("planted", [name for name in PLANTED if name != "folder"])
def test_a_file_takes_the_place_of_what_was_planted_and_nothing_outside_changes(
    planted: str, root: Path, outside: Path
) -> None:
    PLANTED[planted](root / "trial.json", outside)
    with Folder.of_root(root) as folder:
        folder.replace("trial.json", b"ours")
        assert folder.read("trial.json", MOST) == b"ours"
    assert _names(root) == ["trial.json"]
    assert _names(outside) == ["precious.txt"]
    assert (outside / "precious.txt").read_text() == "precious"


def test_a_folder_in_place_of_a_file_is_named_and_stays(root: Path) -> None:
    (root / "trial.json").mkdir()
    with Folder.of_root(root) as folder:
        with pytest.raises(UnfitError, match="is a folder, and must be a file"):
            folder.replace("trial.json", b"ours")
        with pytest.raises(UnfitError, match="is a folder, and must be a file"):
            folder.remove("trial.json")
    assert _names(root) == ["trial.json"]


@pytest.mark.parametrize("part", ["project", "project/study", "project/study/trial_00001"])
@pytest.mark.parametrize("planted", [name for name in PLANTED if name != "folder"])
def test_a_path_leads_through_folders_only(
    part: str, planted: str, root: Path, outside: Path
) -> None:
    (outside / "study" / "trial_00001").mkdir(parents=True)
    (root / part).parent.mkdir(parents=True, exist_ok=True)
    PLANTED[planted](root / part, outside)
    place = Place(root, "project/study/trial_00001")
    for make in (False, True):
        with pytest.raises(UnfitError, match="must be a folder"):
            place.open(make=make)
    assert not place.exists()


@pytest.mark.parametrize("planted", PLANTED)
def test_removing_a_folder_removes_what_is_planted_in_it_and_nothing_outside(
    planted: str, root: Path, outside: Path
) -> None:
    (root / "study" / "inner").mkdir(parents=True)
    PLANTED[planted](root / "study" / "inner" / "name", outside)
    PLANTED[planted](root / "study" / "name", outside)
    with Folder.of_root(root) as folder:
        assert remove_folder(folder, "study")
    assert _names(root) == []
    assert (outside / "precious.txt").read_text() == "precious"


@pytest.mark.parametrize("planted", [name for name in PLANTED if name != "folder"])
def test_what_is_no_folder_is_not_removed_as_one(planted: str, root: Path, outside: Path) -> None:
    PLANTED[planted](root / "study", outside)
    with Folder.of_root(root) as folder:
        assert not remove_folder(folder, "study")
    assert _names(root) == ["study"]
    assert (outside / "precious.txt").read_text() == "precious"


def test_a_tree_deeper_than_any_path_is_removed(root: Path) -> None:
    at = os.open(root, os.O_RDONLY)
    for _ in range(1000):
        os.mkdir("deep", dir_fd=at)
        inner = os.open("deep", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    with Folder.of_root(root) as folder:
        assert remove_folder(folder, "deep")
    assert _names(root) == []


def test_an_open_folder_stays_the_same_when_a_link_takes_its_path(
    root: Path, outside: Path
) -> None:
    (root / "run").mkdir()
    with Place(root, "run").open() as folder:
        (root / "run").rename(root / "moved")
        (root / "run").symlink_to(outside)
        folder.replace("trial.json", b"ours")
    assert _names(root / "moved") == ["trial.json"]
    assert _names(outside) == ["precious.txt"]


@pytest.mark.parametrize("relative", ["/etc", "..", "a/../../b", "a\0b"])
def test_a_place_lies_below_its_root(relative: str, root: Path) -> None:
    with pytest.raises(ValueError, match="must be a path below"):
        Place(root, relative)
    with pytest.raises(ValueError, match="must be a path below"):
        Place(root, "inner").below(relative)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0b"])
def test_a_folder_takes_single_names_only(name: str, root: Path) -> None:
    with Folder.of_root(root) as folder:
        for call in (
            lambda: folder.read(name, MOST),
            lambda: folder.replace(name, b""),
            lambda: folder.remove(name),
            lambda: folder.folder(name),
            lambda: folder.rename(name, "x"),
            lambda: folder.rename("x", name),
        ):
            with pytest.raises(UnfitError, match="is not the name of a file"):
                call()


def test_descriptors_are_given_back(root: Path, outside: Path) -> None:
    before = len(_names(Path("/proc/self/fd")))
    place = Place(root, "a/b/c")
    for _ in range(3):
        place.open(make=True).close()
        with place.open() as folder:
            folder.replace("x", b"1")
            list(folder.entries())
            os.symlink(outside, "y", dir_fd=folder.fileno())
            with pytest.raises(UnfitError):
                folder.folder("y")
            with pytest.raises(UnfitError):
                folder.read("y", MOST)
            folder.remove("y")
    with Place(root).open() as folder:
        remove_folder(folder, "a")
    assert len(_names(Path("/proc/self/fd"))) == before


def test_folders_that_their_owner_has_closed_are_removed(root: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from tuner.roots import Place, remove_folder\n"
        "root = Path(sys.argv[1]); study = root / 'study'\n"
        "deep = study / 'closed' / 'read' / 'deep'\n"
        "deep.mkdir(parents=True); (deep / 'file').touch(); (study / 'closed' / 'file').touch()\n"
        "folder = Place(root).open()\n"
        "if os.geteuid() == 0:\n"
        "    for path in [root, *root.rglob('*')]: os.chown(path, 65534, 65534)\n"
        "deep.chmod(0); deep.parent.chmod(0o500); deep.parent.parent.chmod(0)\n"
        "if os.geteuid() == 0: os.setegid(65534); os.seteuid(65534)\n"
        "assert remove_folder(folder, 'study')\n"
    )
    # Root may enter and change every folder, so what is tested is another user.
    subprocess.run([sys.executable, "-c", script, str(root)], check=True)
    assert _names(root) == []


def test_removing_a_folder_with_many_files_takes_bounded_memory(root: Path) -> None:
    plant_crowd(root / "study", "file", 1500)
    plant_crowd(root / "study" / "inner", "file", 1500)
    with Folder.of_root(root) as folder:
        tracemalloc.start()
        assert remove_folder(folder, "study")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 300_000
    assert _names(root) == []


def test_a_device_is_refused_and_not_opened(root: Path) -> None:
    try:
        # One that nothing is behind: whoever opens it gets another error.
        os.mknod(root / "trial.json", 0o666 | stat.S_IFCHR, os.makedev(511, 511))
    except PermissionError:
        pytest.skip("this process may make no device")
    with Folder.of_root(root) as folder:
        with pytest.raises(UnfitError, match="is a device, and must be a file"):
            folder.read("trial.json", MOST)
        folder.replace("trial.json", b"ours")
        assert folder.read("trial.json", MOST) == b"ours"
