"""Event files that are torn, garbled or on a full disk."""

from __future__ import annotations

import contextlib
import errno
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.board.event_files import event_files
from tests.unit.test_tfevents import write_run
from tuner.roots import Place
from tuner.tfevents import RunWriter, read_run, write_json
from tuner.tfevents.events import scalars_event
from tuner.tfevents.framing import MAX_RECORD_BYTES, frame, masked_crc
from tuner.tfevents.reader import RunEvents
from tuner.tfevents.wire import WireError, read_fields

EMPTY: RunEvents = {
    "hparams": None,
    "group": None,
    "start": None,
    "end": None,
    "status": None,
    "scalars": {},
    "experiment": None,
}


@contextlib.contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file grows beyond `size` bytes: a write is cut off there, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, where mounting is permitted."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs is not permitted here; RLIMIT_FSIZE stands in for it")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def only_file(run_dir: Path) -> Path:
    (path,) = event_files(run_dir)
    return path


def points(run: RunEvents) -> int:
    return len(run["scalars"].get("loss", ()))


@pytest.mark.parametrize("check_payload", [False, True])
def test_a_file_cut_at_any_byte_gives_its_whole_records(
    tmp_path: Path, *, check_payload: bool
) -> None:
    path = only_file(write_run(tmp_path))
    content = path.read_bytes()
    seen = []
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        seen.append(points(read_run(Place(tmp_path), check_payload=check_payload)))

    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2, 3}
    assert read_run(Place(tmp_path))["status"] == "success"


def test_a_file_with_any_byte_changed_is_read_without_an_error(tmp_path: Path) -> None:
    path = only_file(write_run(tmp_path))
    content = path.read_bytes()
    whole = read_run(Place(tmp_path))
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes((content[at] ^ 0xFF,)) + content[at + 1 :])
        assert points(read_run(Place(tmp_path))) <= 3
        strict = read_run(Place(tmp_path), check_payload=True)
        # Of a payload that is checked, nothing but what was written is believed.
        assert strict["scalars"].get("loss", []) == whole["scalars"]["loss"][: points(strict)]


@given(st.binary(max_size=200))
def test_garbage_in_a_valid_frame_is_fields_up_to_an_error_of_its_own(payload: bytes) -> None:
    fields = []
    with contextlib.suppress(WireError):
        fields.extend(read_fields(payload))

    assert all(number >= 0 and isinstance(value, int | bytes) for number, value in fields)
    assert sum(len(value) for _, value in fields if isinstance(value, bytes)) <= len(payload)


@given(st.binary(max_size=400))
def test_garbage_files_are_empty_runs(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("garbage")
    (folder / "events.out.tfevents.1.host").write_bytes(content)

    assert read_run(Place(folder)) == EMPTY


@given(st.binary(max_size=100))
def test_what_stands_behind_a_garbage_message_is_skipped(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes
) -> None:
    folder = tmp_path_factory.mktemp("garbage")
    first, second = (scalars_event({"loss": n}, step=n, time_s=float(n)) for n in (1, 2))
    broken = b"\x07" + garbage
    for number, payloads in enumerate(((first, broken, second), (broken, first))):
        path = folder / f"events.out.tfevents.{number}.host"
        path.write_bytes(b"".join(map(frame, payloads)))

    # Of the first file what stands before it; of the second nothing. 7 is no type of a field.
    assert [step for step, _, _ in read_run(Place(folder))["scalars"]["loss"]] == [1]


@pytest.mark.parametrize("content", [b"", b"\x00" * 1000, b"not an event file\n" * 50])
def test_empty_and_foreign_files_are_empty_runs(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "events.out.tfevents.1.host").write_bytes(content)

    assert read_run(Place(tmp_path)) == EMPTY


def test_a_missing_folder_is_an_empty_run(tmp_path: Path) -> None:
    assert read_run(Place(tmp_path / "nothing")) == EMPTY


def test_an_absurd_length_is_not_allocated(tmp_path: Path) -> None:
    length = (1 << 62).to_bytes(8, "little")
    (tmp_path / "x.tfevents").write_bytes(length + masked_crc(length).to_bytes(4, "little"))

    assert read_run(Place(tmp_path)) == EMPTY


def test_a_huge_record_is_skipped_and_the_next_one_read(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path)
    length = (MAX_RECORD_BYTES + 1).to_bytes(8, "little")
    path = only_file(run_dir)
    content = path.read_bytes()
    with path.open("wb") as file:
        file.write(length + masked_crc(length).to_bytes(4, "little"))
        file.seek(MAX_RECORD_BYTES + 1 + 4, 1)
        file.write(content)

    assert points(read_run(Place(run_dir))) == 3


def test_garbage_at_the_tail_hides_nothing(tmp_path: Path) -> None:
    path = only_file(write_run(tmp_path))
    path.write_bytes(path.read_bytes() + b"\xff" * 100)

    assert read_run(Place(tmp_path))["status"] == "success"


def test_a_wrong_payload_checksum_stops_the_strict_reader_only(tmp_path: Path) -> None:
    path = only_file(write_run(tmp_path))
    content = bytearray(path.read_bytes())
    content[-1] ^= 0xFF
    path.write_bytes(content)

    assert read_run(Place(tmp_path))["status"] == "success"
    assert read_run(Place(tmp_path), check_payload=True)["status"] is None


def test_a_write_that_fails_leaves_whole_records_and_later_ones_follow(tmp_path: Path) -> None:
    writer = RunWriter(Place(tmp_path))
    writer.start({"n": 1}, "run")
    writer.scalars(1, {"loss": 1.0})
    size = only_file(tmp_path).stat().st_size
    with files_end_at(size + 20), pytest.raises(OSError, match="too large") as caught:
        writer.scalars(2, {"loss": 2.0})
    assert caught.value.errno == errno.EFBIG
    assert only_file(tmp_path).stat().st_size == size
    writer.scalars(3, {"loss": 3.0})
    writer.finish(3.0, "success")

    run = read_run(Place(tmp_path), check_payload=True)
    assert [step for step, _, _ in run["scalars"]["loss"]] == [1, 3]
    assert run["status"] == "success"


def test_a_finish_that_failed_may_be_repeated(tmp_path: Path) -> None:
    writer = RunWriter(Place(tmp_path))
    writer.start({}, "run")
    with (
        files_end_at(only_file(tmp_path).stat().st_size + 130),
        pytest.raises(OSError, match="too large"),
    ):
        writer.finish(1.0, "success")
    assert read_run(Place(tmp_path))["scalars"] == {}
    writer.finish(1.0, "success")

    run = read_run(Place(tmp_path))
    assert len(run["scalars"]["objective"]) == 1
    assert run["status"] == "success"


@pytest.mark.parametrize("size", [0, 10, 50])
def test_a_start_that_fails_leaves_no_file_and_may_be_repeated(tmp_path: Path, size: int) -> None:
    writer = RunWriter(Place(tmp_path))
    with files_end_at(size), pytest.raises(OSError, match="too large"):
        writer.start({"n": 1}, "run")
    assert event_files(tmp_path) == []
    writer.start({"n": 1}, "run")

    assert read_run(Place(tmp_path))["hparams"] == {"n": 1.0}


def test_json_on_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "trial.json"
    write_json(Place(path.parent), path.name, {"old": True})
    with files_end_at(10), pytest.raises(OSError, match="too large"):
        write_json(Place(path.parent), path.name, {"new": "x" * 100})

    assert [entry.name for entry in tmp_path.iterdir()] == ["trial.json"]
    assert "old" in path.read_text()


def test_a_full_file_system_tears_nothing(small_disk: Path) -> None:
    run_dir = small_disk / "run"
    writer = RunWriter(Place(run_dir))
    writer.start({"n": 1}, "run")
    filler = small_disk / "filler"
    written: list[int] = []

    def write_until_full() -> None:
        for step in range(1, 10_000):
            writer.scalars(step, {"loss": float(step)})
            written.append(step)
            if step == 10:
                filler.write_bytes(b"x" * 40_000)

    with pytest.raises(OSError, match="No space left") as caught:
        write_until_full()
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="No space left"):
        write_json(Place(run_dir), "trial.json", {"x": "y" * 10_000})
    assert not list(run_dir.glob("*.json"))
    filler.unlink()
    writer.scalars(20_000, {"loss": 0.0})
    write_json(Place(run_dir), "trial.json", {"x": "y" * 10_000})

    run = read_run(Place(run_dir), check_payload=True)
    assert [step for step, _, _ in run["scalars"]["loss"]] == [*written, 20_000]
