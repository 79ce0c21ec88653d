"""What an image says of itself, and what is measured of what is installed in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tuner.errors import SetupError
from tuner.protocol import ProtocolError, WorkerInfo, check_worker, parse_image_facts
from workers.host import image_facts
from workers.host.image_facts import FoundFacts, find_facts, write_facts
from workers.host.measure import MeasureError, Measurement
from workers.host.names import own_name

LOCK, FILES = "a" * 64, "b" * 64


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """An environment with one package."""
    folder = tmp_path / "site-packages"
    for name, content in {
        "pack/__init__.py": "x = 1\n",
        "pack/library.so": "0123456789",
        "pack/__pycache__/__init__.cpython-311.pyc": "compiled",
        "pack-1.0.dist-info/RECORD": "pack/__init__.py,sha256=abc,6\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def measured(folder: Path) -> str:
    measurement = Measurement()
    measurement.add("packages", folder)
    return measurement.files


CHANGES: dict[str, Callable[[Path], object]] = {
    "a line of code": lambda f: (f / "pack/__init__.py").write_text("x = 2\n"),
    "code that is new": lambda f: (f / "sitecustomize.py").write_text("y = 1\n"),
    "code that is gone": lambda f: (f / "pack/__init__.py").unlink(),
    "a library of another size": lambda f: (f / "pack/library.so").write_text("0123"),
    "another build of the package": lambda f: (f / "pack-1.0.dist-info/RECORD").write_text("x\n"),
    "a link in the place of a file": lambda f: (
        (f / "pack/library.so").unlink() or (f / "pack/library.so").symlink_to("/dev/null")
    ),
    "a file under another name": lambda f: (f / "pack/library.so").rename(f / "pack/l.so"),
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda name: name.replace(" ", "-"))
def test_the_measure_changes_with(installed: Path, change: str) -> None:
    before = measured(installed)
    CHANGES[change](installed)

    assert measured(installed) != before


def test_the_measure_is_the_same_for_the_same_files_wherever_and_whenever(
    installed: Path, tmp_path: Path
) -> None:
    before = measured(installed)
    (installed / "pack/__pycache__/other.cpython-311.pyc").write_text("compiled anew")
    os.utime(installed / "pack/library.so", (1, 1))
    elsewhere = installed.rename(tmp_path / "elsewhere")

    assert measured(elsewhere) == before
    assert len(before) == 64


def test_no_link_to_a_folder_and_no_pipe_is_entered(installed: Path) -> None:
    (installed / "everything").symlink_to("/")
    os.mkfifo(installed / "pipe.py")

    assert measured(installed)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="nowhere: No such file"):
        Measurement().add("packages", tmp_path / "nowhere")


def test_facts_are_read_from_the_file_of_the_image(tmp_path: Path) -> None:
    facts = parse_image_facts(json.dumps({"lock": LOCK, "files": FILES, "flavour": "cpu"}).encode())

    assert (facts.lock, facts.files) == (LOCK, FILES)
    assert parse_image_facts(b"{}").lock is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no JSON"),
        (b"[" * 60_000, "no JSON"),
        (b"[1]", "no JSON object"),
        (b'{"lock": "abc"}', "lock: 'abc': must be the 64 hexadecimal digits"),
        (b'{"lock": 5}', "lock: '5': must be"),
        (b'{"files": "' + b"A" * 64 + b'"}', "files: 'AAAA"),
        (b" " * 70_000 + b"{}", "more than 65536 bytes"),
    ],
)
def test_a_file_that_holds_no_facts_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(ProtocolError, match=problem):
        parse_image_facts(content)


def test_a_worker_outside_of_an_image_says_and_measures_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_facts, "PATH", tmp_path / "image.json")

    assert find_facts({}) == FoundFacts()


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "is not there"), ("{", "no JSON: no facts of an image; the image's build writes")],
)
def test_a_file_of_facts_that_is_named_must_be_one(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    path = tmp_path / "image.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(SetupError, match=f"TUNER_IMAGE_FACTS={path}: {problem}"):
        find_facts({"TUNER_IMAGE_FACTS": str(path)})


def test_an_image_on_top_measures_again_and_keeps_what_else_is_said(
    installed: Path, tmp_path: Path
) -> None:
    path = tmp_path / "image.json"
    path.write_text(json.dumps({"lock": LOCK, "files": FILES, "flavour": "cpu"}))
    measurement = Measurement()
    measurement.add("packages", installed)

    write_facts(path, measurement)

    said = json.loads(path.read_text())
    assert said == {"lock": LOCK, "files": measurement.files, "flavour": "cpu"}


@pytest.mark.slow  # Measures what is installed here twice, 34 000 files with TensorFlow: 4 s.
def test_the_command_says_one_hash_and_with_json_what_it_covers(tmp_path: Path) -> None:
    path = tmp_path / "image.json"
    command = [sys.executable, "-m", "workers", "measure", "--json", "--write", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)

    assert json.loads(path.read_text()) == {"files": said["files"]}
    assert set(said["covers"]["folders"]) == {"packages", "python", "tuner", "workers"}
    assert said["python"] == ".".join(map(str, sys.version_info[:3]))
    assert said["covers"]["count"] > 1000
    assert find_facts({"TUNER_IMAGE_FACTS": str(path)}) == FoundFacts(
        files=said["files"], files_built=said["files"]
    )


def test_workers_of_one_host_name_and_process_number_have_names_of_their_own() -> None:
    names = {own_name() for _ in range(100)}

    assert len(names) == 100
    for name in names:
        check_worker(WorkerInfo(name=f"{name}-1023", host="h", pid=1))


def test_a_host_may_be_called_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    for host in ("h" * 64, "", "-.-", "büro 7", "a/b"):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        check_worker(WorkerInfo(name=f"{own_name()}-1023", host="h", pid=1))
