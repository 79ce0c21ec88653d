"""What anybody may have left beside our files costs bounded memory, and is never fatal."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tuner.roots import Place
from tuner.tfevents import RunWriter, events, read_json, read_run, write_json
from tuner.tfevents.framing import MAX_RECORD_BYTES, frame
from tuner.tfevents.wire import bytes_field, int_field, varint
from tuner.tfevents.writer import MOST_FILES

MEGABYTE = 1 << 20
START = events.start_event({"n": 1}, group="", time_s=0.0)


def _peak(call: Callable[[], object]) -> int:
    """Return the most memory that a call had at a time, in bytes."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_json_that_is_nested_too_deep_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "trial.json").write_text("[" * 200_000)

    assert read_json(Place(tmp_path), "trial.json") is None


def test_a_larger_json_file_than_expected_is_damaged_and_not_read(tmp_path: Path) -> None:
    write_json(Place(tmp_path), "trial.json", {"x": "y" * 1000})
    assert read_json(Place(tmp_path), "trial.json", most=2000) is not None
    os.truncate(tmp_path / "trial.json", 3 << 30)

    assert read_json(Place(tmp_path), "trial.json", most=2000) is None
    assert _peak(lambda: read_json(Place(tmp_path), "trial.json")) < MEGABYTE


def test_event_files_that_are_something_else_are_not_there(tmp_path: Path) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    outside.write_bytes(frame(START))
    RunWriter(Place(run)).start({"n": 2}, "run")
    os.mkfifo(run / "events.out.tfevents.1.pipe")
    (run / "events.out.tfevents.1.link").symlink_to(outside)
    (run / "events.out.tfevents.1.loop").symlink_to("events.out.tfevents.1.loop")
    (run / "events.out.tfevents.1.hard").hardlink_to(outside)
    (run / "events.out.tfevents.1.folder").mkdir()

    assert read_run(Place(run))["hparams"] == {"n": 2.0}


def test_of_many_event_files_the_first_are_read(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 10):
        (tmp_path / f"events.out.tfevents.{number:010d}").write_bytes(
            frame(events.scalars_event({"n": float(number)}, step=number, time_s=0.0))
        )

    steps = [step for step, _, _ in read_run(Place(tmp_path))["scalars"]["n"]]
    assert steps == list(range(MOST_FILES))


def test_a_folder_of_any_size_is_never_listed_into_memory(tmp_path: Path) -> None:
    for number in range(20_000):
        os.close(os.open(tmp_path / f"events.out.tfevents.x{number}", os.O_CREAT))
    writer = RunWriter(Place(tmp_path))

    assert _peak(lambda: writer.start({"n": 1}, "run")) < MEGABYTE
    assert _peak(lambda: read_run(Place(tmp_path))) < 2 * MEGABYTE


def test_no_more_than_the_bound_is_read_of_all_files_together(tmp_path: Path) -> None:
    point = frame(events.scalars_event({"n": 1.0}, step=1, time_s=0.0))
    for number in range(10):
        (tmp_path / f"events.out.tfevents.{number}").write_bytes(point * 100)

    found = read_run(Place(tmp_path), most=250 * len(point))
    assert len(found["scalars"]["n"]) == 250


def _many_fields() -> bytes:
    return b"".join(varint(n << 3) + b"\1" for n in range(1 << 20, (1 << 20) + 200_000))


@pytest.mark.parametrize(
    "made",
    [
        lambda: b"\x2a\x02\x08\x01" * 400_000,
        lambda: bytes_field(5, bytes_field(1, _many_fields())),
        lambda: events.start_event({f"{n:x}": True for n in range(120_000)}, group="", time_s=0.0),
    ],
    ids=["summaries", "fields of a value", "hyperparameters"],
)
def test_a_record_made_to_fill_the_memory_does_not(
    made: Callable[[], bytes], tmp_path: Path
) -> None:
    record = made()
    assert len(record) <= min(MAX_RECORD_BYTES, 3 * MEGABYTE)
    (tmp_path / "events.out.tfevents.1").write_bytes(frame(record))

    assert _peak(lambda: read_run(Place(tmp_path))) < 16 * MEGABYTE


def test_a_stop_at_a_bad_record_keeps_what_stood_before(tmp_path: Path) -> None:
    too_many = bytes_field(5, int_field(9, 1)) * 2000
    (tmp_path / "events.out.tfevents.1").write_bytes(frame(START) + frame(too_many) + frame(START))

    assert read_run(Place(tmp_path))["hparams"] == {"n": 1.0}
