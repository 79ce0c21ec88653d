"""Event files: what is written is what TensorBoard's own classes and our reader read."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.compat.proto import event_pb2
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util

from tests.support.board.event_files import event_files
from tuner.roots import Place
from tuner.tfevents import RunWriter, events, read_run
from tuner.tfevents.framing import frame, masked_crc, read_frames

HPARAMS = {"train.learning_rate": 1e-3, "train.optimizer": "adam", "model.bn": True, "layers": 3}


def write_run(run_dir: Path, *, points: int = 3) -> Path:
    writer = RunWriter(Place(run_dir))
    writer.start(HPARAMS, run_dir.name, 1000.5)
    for step in range(1, points + 1):
        writer.scalars(step, {"val_accuracy": step / 10, "loss": 1 / step}, 1000.5 + step)
    writer.finish(0.9072225689888001, "success", 2000.25)
    writer.close()
    return run_dir


def read_events(run_dir: Path) -> list[event_pb2.Event]:
    """Read with TensorBoard's generated classes."""
    found = []
    for path in event_files(run_dir):
        with path.open("rb") as file:
            found += [event_pb2.Event.FromString(x) for x in read_frames(file, check_payload=True)]
    return found


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    run = read_run(Place(write_run(tmp_path / "trial_00042")))

    assert run["hparams"] == HPARAMS
    assert run["group"] == "trial_00042"
    assert (run["start"], run["end"], run["status"]) == (1000.5, 2000.25, "success")
    assert [step for step, _, _ in run["scalars"]["val_accuracy"]] == [1, 2, 3]
    assert run["scalars"]["loss"][0] == (1, 1.0, 1001.5)
    assert run["scalars"]["objective"] == [(3, pytest.approx(0.90722257), 2000.25)]


def test_tensorboards_classes_read_the_hparams_records(tmp_path: Path) -> None:
    start, *_, end = read_events(write_run(tmp_path / "trial_00042"))[1:]
    start_value, end_value = start.summary.value[0], end.summary.value[0]
    info = hparams_metadata.parse_session_start_info_plugin_data(
        start_value.metadata.plugin_data.content
    )
    ended = hparams_metadata.parse_session_end_info_plugin_data(
        end_value.metadata.plugin_data.content
    )

    assert start_value.tag == hparams_metadata.SESSION_START_INFO_TAG
    assert end_value.tag == hparams_metadata.SESSION_END_INFO_TAG
    assert start_value.tensor == hparams_metadata.NULL_TENSOR
    assert info.group_name == "trial_00042"
    assert info.start_time_secs == 1000.5
    assert info.hparams["train.learning_rate"].number_value == 1e-3
    assert info.hparams["train.optimizer"].string_value == "adam"
    assert info.hparams["model.bn"].bool_value is True
    assert info.hparams["layers"].number_value == 3
    assert (ended.status, ended.end_time_secs) == (1, 2000.25)


def test_tensorboards_classes_read_the_scalars(tmp_path: Path) -> None:
    version, _, first, *_ = read_events(write_run(tmp_path / "trial_00042"))

    assert version.file_version == "brain.Event:2"
    assert (first.step, first.wall_time) == (1, 1001.5)
    assert [value.tag for value in first.summary.value] == ["val_accuracy", "loss"]
    assert tensor_util.make_ndarray(first.summary.value[1].tensor) == 1.0
    assert first.summary.value[1].metadata.plugin_data.plugin_name == "scalars"
    assert first.summary.value[1].metadata.data_class == 1


def test_an_experiment_record_is_what_tensorboard_parses() -> None:
    content = plugin_data_pb2.HParamsPluginData(experiment={"name": "vision/digits"})

    event = event_pb2.Event.FromString(
        events.experiment_event(b"\x32\x0dvision/digits", step=-1, time_s=1.0)
    )

    (value,) = event.summary.value
    assert event.step == -1
    assert value.metadata == hparams_metadata.create_summary_metadata(content)


@given(st.binary(max_size=300))
def test_the_checksum_is_tensorboards(data: bytes) -> None:
    assert masked_crc(data) == masked_crc32c(data)


@given(
    values=st.dictionaries(st.text(min_size=1), st.floats(width=32, allow_nan=False), min_size=1),
    step=st.integers(-(2**63), 2**63 - 1),
)
def test_any_tag_step_and_float32_survives(values: dict[str, float], step: int) -> None:
    event = event_pb2.Event.FromString(events.scalars_event(values, step=step, time_s=5.0))

    assert event.step == step
    read = {v.tag: float(tensor_util.make_ndarray(v.tensor)) for v in event.summary.value}
    assert read == {tag.encode("utf-8", "replace").decode(): v for tag, v in values.items()}


def test_no_file_is_there_before_the_start(tmp_path: Path) -> None:
    writer = RunWriter(Place(tmp_path / "run"))

    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match="has not been started"):
        writer.scalars(1, {"loss": 1.0})
    writer.close()


def test_a_run_is_started_once(tmp_path: Path) -> None:
    writer = RunWriter(Place(tmp_path / "run"))
    writer.start({}, "run")

    with pytest.raises(ValueError, match="started once"):
        writer.start({}, "run")
    assert len(event_files(tmp_path / "run")) == 1


def test_only_the_first_finish_counts(tmp_path: Path) -> None:
    writer = RunWriter(Place(tmp_path))
    writer.start({}, "run")
    writer.finish(0.5, "success", 7.0)
    writer.finish(None, "failure", 8.0)

    run = read_run(Place(tmp_path))
    assert (run["status"], run["end"]) == ("success", 7.0)
    assert len(read_events(tmp_path)) == 4


def test_the_reader_keeps_the_first_hparams_records_as_tensorboard_does(tmp_path: Path) -> None:
    for number, status in enumerate(("failure", "success")):
        writer = RunWriter(Place(tmp_path))
        writer.start({"n": number}, f"group-{number}", number)
        writer.finish(None, status, 10 + number)  # type: ignore[arg-type]

    run = read_run(Place(tmp_path))
    assert (run["hparams"], run["group"], run["start"]) == ({"n": 0}, "group-0", 0)
    assert (run["status"], run["end"]) == ("failure", 10)


def test_a_run_without_an_end_has_no_status(tmp_path: Path) -> None:
    writer = RunWriter(Place(tmp_path))
    writer.start({}, "run")

    assert read_run(Place(tmp_path))["status"] is None


def test_non_finite_scalars_are_kept_and_objectives_left_out(tmp_path: Path) -> None:
    writer = RunWriter(Place(tmp_path))
    writer.start({"a": math.nan, "b": math.inf, "c": 10**400}, "run")
    writer.scalars(1, {"loss": math.nan, "grad": -math.inf, "huge": 1e300, "low": -1e300})
    writer.finish([math.nan, 2.0, math.inf], "failure")

    run = read_run(Place(tmp_path))
    numbers = {tag: points[-1][1] for tag, points in run["scalars"].items()}
    assert run["hparams"] == {"a": "nan", "b": "inf", "c": str(10**400)}
    assert math.isnan(numbers.pop("loss"))
    assert numbers == {"grad": -math.inf, "huge": math.inf, "low": -math.inf, "objective_1": 2.0}


def test_reports_never_enter_the_column_of_told_values(tmp_path: Path) -> None:
    writer = RunWriter(Place(tmp_path))
    writer.start({}, "run")
    writer.scalars(1, {"objective": 1.0, "objective_2": 2.0, "objective_loss": 3.0})
    writer.finish(None, "failure")

    assert set(read_run(Place(tmp_path))["scalars"]) == {
        "curve/objective",
        "curve/objective_2",
        "objective_loss",
    }


def test_unusual_hyperparameters_become_text(tmp_path: Path) -> None:
    writer = RunWriter(Place(tmp_path))
    writer.start({"none": None, "list": [1, "a"], "path": Path("x"), "odd": "\ud800"}, "run")

    hparams = read_run(Place(tmp_path))["hparams"]
    assert hparams == {"none": "null", "list": '[1, "a"]', "path": '"x"', "odd": "?"}


def test_a_killed_writer_loses_nothing(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tuner.roots import Place\n"
        "from tuner.tfevents import RunWriter\n"
        "writer = RunWriter(Place(Path(sys.argv[1]))); writer.start({'n': 1}, 'run')\n"
        "for step in range(1, 101): writer.scalars(step, {'loss': step})\n"
        "print('written', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, cwd=Path.cwd()
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)

    run = read_run(Place(tmp_path), check_payload=True)
    assert [step for step, _, _ in run["scalars"]["loss"]] == list(range(1, 101))


def test_later_files_sort_behind_earlier_ones_whatever_the_clock_says(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.9999999990.elsewhere.1.0").touch()
    for _ in range(3):
        RunWriter(Place(tmp_path)).start({}, "run")

    assert [path.name.split(".")[3] for path in event_files(tmp_path)] == [
        f"999999999{n}" for n in range(4)
    ]


@pytest.mark.parametrize(
    "value",
    [
        {"simple_value": 0.5},
        {"tensor": {"dtype": 1, "float_val": [0.5]}},
        {"tensor": {"dtype": 1, "tensor_content": b"\x00\x00\x00\x3f"}},
        {"tensor": {"dtype": 2, "double_val": [0.5]}},
    ],
)
def test_scalars_of_other_writers_are_read(tmp_path: Path, value: dict[str, object]) -> None:
    first = {"tag": "loss", "metadata": {"plugin_data": {"plugin_name": "scalars"}}} | value
    later = {"tag": "loss"} | value
    payloads = [
        event_pb2.Event(step=step, wall_time=1.0, summary={"value": [item]}).SerializeToString()
        for step, item in enumerate((first, later), start=1)
    ]
    (tmp_path / "events.out.tfevents.1.host").write_bytes(b"".join(map(frame, payloads)))

    assert read_run(Place(tmp_path))["scalars"] == {"loss": [(1, 0.5, 1.0), (2, 0.5, 1.0)]}


@pytest.mark.parametrize(("dtype", "field"), [(3, "int_val"), (9, "int64_val")])
@pytest.mark.parametrize("number", [0, 7, -3])
def test_whole_number_tensors_are_read(tmp_path: Path, dtype: int, field: str, number: int) -> None:
    value = {
        "tag": "n",
        "tensor": {"dtype": dtype, field: [number]},
        "metadata": {"plugin_data": {"plugin_name": "scalars"}},
    }
    event = event_pb2.Event(step=1, wall_time=1.0, summary={"value": [value]})
    (tmp_path / "x.tfevents.y").write_bytes(frame(event.SerializeToString()))

    assert read_run(Place(tmp_path))["scalars"] == {"n": [(1, float(number), 1.0)]}


def test_a_tensor_of_two_numbers_is_no_scalar(tmp_path: Path) -> None:
    for dtype, name in ((1, "float_val"), (3, "int_val"), (9, "int64_val")):
        value = {
            "tag": name,
            "tensor": {"dtype": dtype, name: [1, 2]},
            "metadata": {"plugin_data": {"plugin_name": "scalars"}},
        }
        event = event_pb2.Event(step=1, summary={"value": [value]})
        (tmp_path / f"{name}.tfevents").write_bytes(frame(event.SerializeToString()))

    assert read_run(Place(tmp_path))["scalars"] == {}


def test_text_and_images_are_not_scalars(tmp_path: Path) -> None:
    values = [
        {"tag": "text", "tensor": {"dtype": 7, "string_val": [b"hello"]}},
        {"tag": "image", "image": {"encoded_image_string": b"png"}},
        {"tag": "pair", "tensor": {"dtype": 1, "float_val": [1.0, 2.0]}},
    ]
    for value in values:
        value["metadata"] = {"plugin_data": {"plugin_name": "scalars"}}
    event = event_pb2.Event(summary={"value": values})
    (tmp_path / "x.tfevents.y").write_bytes(frame(event.SerializeToString()))

    assert read_run(Place(tmp_path))["scalars"] == {}


def test_the_package_needs_the_standard_library_alone() -> None:
    script = (
        "import sys; before = set(sys.modules); import tuner.tfevents\n"
        "print([m for m in set(sys.modules) - before"
        " if m.split('.')[0] not in {*sys.stdlib_module_names, 'tuner'}])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert answer.stdout == "[]\n"


def test_a_forked_child_does_not_disturb_the_writer(tmp_path: Path) -> None:
    writer = RunWriter(Place(tmp_path))
    writer.start({}, "run", time.time())
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    writer.scalars(1, {"loss": 1.0})

    assert len(read_run(Place(tmp_path))["scalars"]["loss"]) == 1
