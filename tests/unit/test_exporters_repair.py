"""What the coordinator writes when a worker could not."""

from __future__ import annotations

import errno
import json
import math
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from tests.support.board.event_files import event_files
from tuner.exporters import repair_run
from tuner.roots import Place
from tuner.tfevents import RunEvents, RunWriter, read_json, read_run, write_json

RUN_DIR = "vision/digits/trial_00042-20261122T231005Z"
CONFIG = {"params": {"lr": 0.1}, "metrics": [{"name": "val_accuracy", "goal": "maximize"}]}
CURVE = [[1, 0.5, 101.0], [2, 0.6, 102.0], [3, 0.7, 103.0]]


def make_record(**changes: Any) -> dict[str, Any]:
    record = {
        "version": 1,
        "study": "vision/digits",
        "trial": 42,
        "run_dir": RUN_DIR,
        "outcome": "COMPLETE",
        "is_outcome": True,
        "cause": None,
        "objective": 0.7123456789,
        "values": [0.7123456789],
        "params": {"lr": 0.1, "opt": "adam"},
        "curve": CURVE,
        "started": "2026-11-22T23:10:05.123Z",
        "finished": "2026-11-22T23:20:05.000Z",
    }
    return record | changes


def write_by_worker(log_root: Path, *, points: int = 3, end: bool = True) -> Path:
    writer = RunWriter(Place(log_root / RUN_DIR))
    write_json(Place(log_root / RUN_DIR), "config.json", CONFIG | {"by": "worker"})
    writer.start({"lr": 0.1, "opt": "adam"}, Path(RUN_DIR).name, 100.0)
    for step, value, time_s in CURVE[:points]:
        writer.scalars(int(step), {"val_accuracy": value}, time_s)
    if end:
        writer.finish(0.7123456789, "success", 104.0)
    writer.close()
    return log_root / RUN_DIR


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_complete(run_dir: Path, *, points: int = 3) -> RunEvents:
    run = read_run(Place(run_dir), check_payload=True)
    assert run["hparams"] == {"lr": 0.1, "opt": "adam"}
    assert run["group"] == Path(RUN_DIR).name
    assert [step for step, _, _ in run["scalars"]["val_accuracy"]] == list(range(1, points + 1))
    assert run["scalars"]["objective"][-1][1] == pytest.approx(0.7123456789)
    assert len(run["scalars"]["objective"]) == 1
    assert run["status"] == "success"
    assert read_json(Place(run_dir), "config.json") is not None
    assert read_json(Place(run_dir), "trial.json") == make_record()
    return run


def test_a_run_that_nobody_wrote_becomes_complete(tmp_path: Path) -> None:
    assert repair_run(tmp_path, CONFIG, make_record()) is True

    run = assert_complete(tmp_path / RUN_DIR)
    assert read_json(Place(tmp_path / RUN_DIR), "config.json") == CONFIG
    assert run["start"] == pytest.approx(1795389005.123)
    assert run["end"] == pytest.approx(1795389605.0)
    assert run["scalars"]["val_accuracy"][0] == (1, 0.5, 101.0)


def test_a_second_repair_changes_no_byte(tmp_path: Path) -> None:
    repair_run(tmp_path, CONFIG, make_record())
    before = snapshot(tmp_path)

    assert repair_run(tmp_path, CONFIG, make_record()) is False
    assert snapshot(tmp_path) == before


def test_a_complete_run_is_left_alone(tmp_path: Path) -> None:
    run_dir = write_by_worker(tmp_path)
    write_json(Place(run_dir), "trial.json", make_record())
    before = snapshot(tmp_path)

    assert repair_run(tmp_path, CONFIG, make_record()) is False
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("points", [0, 1, 3])
def test_what_follows_a_killed_worker_goes_into_a_second_file(tmp_path: Path, points: int) -> None:
    run_dir = write_by_worker(tmp_path, points=points, end=False)
    (first,) = event_files(run_dir)
    before = first.read_bytes()

    assert repair_run(tmp_path, CONFIG, make_record()) is True
    assert first.read_bytes() == before
    assert len(event_files(run_dir)) == 2
    run = assert_complete(run_dir)
    assert run["start"] == 100.0
    config = read_json(Place(run_dir), "config.json")
    assert isinstance(config, dict)
    assert config["by"] == "worker"
    assert repair_run(tmp_path, CONFIG, make_record()) is False


def test_an_event_file_cut_anywhere_is_completed(tmp_path: Path) -> None:
    run_dir = write_by_worker(tmp_path)
    (first,) = event_files(run_dir)
    content = first.read_bytes()
    for size in range(0, len(content), 7):
        for path in event_files(run_dir):
            path.unlink()
        first.write_bytes(content[:size])
        repair_run(tmp_path, CONFIG, make_record())
        assert_complete(run_dir)
        assert first.read_bytes() == content[:size]
        assert repair_run(tmp_path, CONFIG, make_record()) is False


@pytest.mark.parametrize("garbage", [b"", b"garbage" * 100])
def test_a_garbled_event_file_is_kept_and_superseded(tmp_path: Path, garbage: bytes) -> None:
    run_dir = tmp_path / RUN_DIR
    run_dir.mkdir(parents=True)
    (run_dir / "events.out.tfevents.1700000000.host.1.0").write_bytes(garbage)

    repair_run(tmp_path, CONFIG, make_record())

    assert_complete(run_dir)


def test_torn_json_files_are_written_again(tmp_path: Path) -> None:
    run_dir = write_by_worker(tmp_path)
    (run_dir / "config.json").write_text('{"params": {"l')
    (run_dir / "trial.json").write_text("")

    assert repair_run(tmp_path, CONFIG, make_record()) is True
    assert read_json(Place(run_dir), "config.json") == CONFIG
    assert_complete(run_dir)


def test_a_hole_in_the_curve_is_mended_in_step_order(tmp_path: Path) -> None:
    run_dir = tmp_path / RUN_DIR
    writer = RunWriter(Place(run_dir))
    writer.start({"lr": 0.1, "opt": "adam"}, run_dir.name, 100.0)
    for step in (1, 3):
        writer.scalars(step, {"val_accuracy": CURVE[step - 1][1]}, 100.0 + step)
    writer.close()

    repair_run(tmp_path, CONFIG, make_record())

    steps = [step for step, _, _ in read_run(Place(run_dir))["scalars"]["val_accuracy"]]
    assert steps == [1, 3, 2, 3]
    assert repair_run(tmp_path, CONFIG, make_record()) is False


def test_further_metrics_are_written_with_the_points_that_are_missing(tmp_path: Path) -> None:
    write_by_worker(tmp_path, points=1, end=False)
    metrics = {step: {"loss": 1 / step} for step in (1, 2, 3)}

    assert repair_run(tmp_path, CONFIG, make_record(), metrics=metrics) is True

    loss = assert_complete(tmp_path / RUN_DIR)["scalars"]["loss"]
    assert [(step, time_s) for step, _, time_s in loss] == [(2, 102.0), (3, 103.0)]
    assert repair_run(tmp_path, CONFIG, make_record(), metrics=metrics) is False


def test_a_metric_called_objective_does_not_pass_for_the_told_value(tmp_path: Path) -> None:
    config = {"metrics": [{"name": "objective", "goal": "minimize"}]}
    lost = make_record(is_outcome=False, outcome="LOST", objective=None)
    repair_run(tmp_path, config, lost)

    scalars = read_run(Place(tmp_path / RUN_DIR))["scalars"]
    assert {tag: len(points) for tag, points in scalars.items()} == {"curve/objective": 3}
    assert repair_run(tmp_path, config, lost) is False


def test_choices_of_several_types_are_logged_as_text(tmp_path: Path) -> None:
    space = {"mixed": {"type": "categorical", "values": [1, "a"]}, "n": {"values": [1, 2.5]}}
    config = CONFIG | {"spec": {"search_space": space}}
    repair_run(tmp_path, config, make_record(params={"mixed": 1, "n": 1, "other": 1}))

    assert read_run(Place(tmp_path / RUN_DIR))["hparams"] == {"mixed": "1", "n": 1.0, "other": 1.0}


def test_an_attempt_that_did_not_become_the_outcome_logs_no_objective(tmp_path: Path) -> None:
    record = make_record(is_outcome=False, outcome="LOST", cause="lost")
    repair_run(tmp_path, CONFIG, record)

    run = read_run(Place(tmp_path / RUN_DIR))
    assert "objective" not in run["scalars"]
    assert run["status"] == "failure"
    assert repair_run(tmp_path, CONFIG, record) is False


@pytest.mark.parametrize(
    ("outcome", "objective", "status"),
    [
        ("PRUNED", 0.6, "success"),
        ("FAIL", None, "failure"),
        ("FAIL", math.nan, "failure"),
    ],
)
def test_the_status_follows_the_outcome(
    tmp_path: Path, outcome: str, objective: float | None, status: str
) -> None:
    record = make_record(outcome=outcome, objective=objective, values=[])
    repair_run(tmp_path, CONFIG, record)

    run = read_run(Place(tmp_path / RUN_DIR))
    assert run["status"] == status
    assert ("objective" in run["scalars"]) == (outcome == "PRUNED")
    assert repair_run(tmp_path, CONFIG, record) is False


def test_several_metrics_have_a_scalar_each(tmp_path: Path) -> None:
    record = make_record(objective=None, values=[0.25, 12.0])
    repair_run(tmp_path, CONFIG, record)

    scalars = read_run(Place(tmp_path / RUN_DIR))["scalars"]
    assert [scalars[tag][0][1] for tag in ("objective", "objective_1")] == [0.25, 12.0]
    assert repair_run(tmp_path, CONFIG, record) is False


def test_non_finite_reports_are_part_of_the_curve(tmp_path: Path) -> None:
    record = make_record(
        curve=[[1, "inf", 101.0], [2, None, 102.0]], outcome="FAIL", objective=None
    )
    repair_run(tmp_path, CONFIG, record)

    first, second = read_run(Place(tmp_path / RUN_DIR))["scalars"]["val_accuracy"]
    assert first[1] == math.inf
    assert math.isnan(second[1])
    assert repair_run(tmp_path, CONFIG, record) is False


def test_a_changed_record_replaces_trial_json_only(tmp_path: Path) -> None:
    repair_run(tmp_path, CONFIG, make_record())
    files = event_files(tmp_path / RUN_DIR)

    assert repair_run(tmp_path, CONFIG, make_record(attempts=[1, 2])) is True
    assert event_files(tmp_path / RUN_DIR) == files
    assert json.loads((tmp_path / RUN_DIR / "trial.json").read_text())["attempts"] == [1, 2]


@pytest.mark.parametrize("run_dir", ["../x", "/etc/x", "a/../../x", "", "."])
def test_a_run_outside_the_log_root_is_refused(tmp_path: Path, run_dir: str) -> None:
    with pytest.raises(ValueError, match="below the log root"):
        repair_run(tmp_path / "logs", CONFIG, make_record(run_dir=run_dir))


@pytest.mark.parametrize("size", [0, 60, 150, 500])
def test_on_a_full_disk_it_fails_and_can_be_repeated(tmp_path: Path, size: int) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            repair_run(tmp_path, CONFIG, make_record())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG
    assert event_files(tmp_path / RUN_DIR) == []

    repair_run(tmp_path, CONFIG, make_record())

    assert_complete(tmp_path / RUN_DIR)


def test_a_log_root_that_is_no_folder_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")

    with pytest.raises(OSError, match="Not a directory"):
        repair_run(tmp_path / "logs", CONFIG, make_record())


def test_a_read_only_log_root_is_an_os_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may write everywhere
    try:
        with pytest.raises(PermissionError):
            repair_run(tmp_path / "logs", CONFIG, make_record())
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)


def test_parameters_that_a_trial_met_by_itself_enter_the_config_that_its_worker_wrote(
    tmp_path: Path,
) -> None:
    run_dir = write_by_worker(tmp_path)
    distributions = {"opt": {"name": "CategoricalDistribution"}}
    config = {**CONFIG, "params": {"lr": 0.1, "opt": "adam"}, "distributions": distributions}
    record = make_record()

    assert repair_run(tmp_path, config, record) is True
    assert read_json(Place(run_dir), "config.json") == CONFIG | {"by": "worker"}
    late = {**config, "proposal": {"late": {"opt": 3}}}
    assert repair_run(tmp_path, late, record) is True
    assert read_json(Place(run_dir), "config.json") == late | {"by": "worker"}
    assert repair_run(tmp_path, late, record) is False
