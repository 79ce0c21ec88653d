"""The study's own run."""

from __future__ import annotations

import math
import random
import resource
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2

from tests.support.board.event_files import event_files
from tests.support.study_run import write_study
from tuner.exporters import StudyWriter
from tuner.exporters.study import HISTORY_TAG
from tuner.roots import Place
from tuner.space import SearchSpace
from tuner.tfevents import read_run

STUDY = "vision/digits"
MAXIMIZE = [{"name": "val_accuracy", "goal": "maximize"}]
TWO = [{"name": "accuracy", "goal": "maximize"}, {"name": "size_mb", "goal": "minimize"}]
SPACE = SearchSpace.from_json(
    {
        "parameters": {
            "train.momentum": {
                "type": "float",
                "low": 0.0,
                "high": 0.99,
                "when": {"train.optimizer": ["sgd"]},
            },
            "train.optimizer": {"type": "categorical", "values": ["adam", "sgd"]},
            "model.activation": {"type": "fixed", "value": "relu"},
            "model.layers": {"type": "int", "low": 1, "high": 4},
            "model.bn": {"type": "bool"},
        }
    }
)


def curve(log_root: Path, tag: str) -> list[tuple[int, float]]:
    """Return what TensorBoard makes of a curve: a step drops what was there from it on."""
    points: list[tuple[int, float]] = []
    for step, value, _ in read_run(Place(log_root / STUDY / "_study"))["scalars"].get(tag, []):
        points = [point for point in points if point[0] < step]
        points.append((step, value))
    return points


def test_a_new_study_has_its_experiment_record_before_any_trial(tmp_path: Path) -> None:
    assert write_study(tmp_path, STUDY, SPACE, MAXIMIZE, {}) is True
    assert write_study(tmp_path, STUDY, SPACE, MAXIMIZE, {}) is False

    assert len(event_files(tmp_path / STUDY / "_study")) == 1


def test_the_experiment_declares_parameters_and_objectives(tmp_path: Path) -> None:
    write_study(tmp_path, STUDY, SPACE, TWO, {})

    content = read_run(Place(tmp_path / STUDY / "_study"))["experiment"]
    assert content is not None
    experiment = api_pb2.Experiment.FromString(content)
    assert experiment.name == STUDY
    assert {info.name for info in experiment.hparam_infos} == set(SPACE.names)
    assert [(i.name.group, i.name.tag, i.display_name) for i in experiment.metric_infos] == [
        ("", "objective", "objective (accuracy); best first in the tab Best trials"),
        ("", "objective_1", "objective_1 (size_mb)"),
    ]


def test_only_parameters_that_every_trial_varies_come_first(tmp_path: Path) -> None:
    write_study(tmp_path, STUDY, SPACE, MAXIMIZE, {})

    content = read_run(Place(tmp_path / STUDY / "_study"))["experiment"]
    infos = api_pb2.Experiment.FromString(content).hparam_infos
    assert {info.name for info in infos if info.differs} == {
        "train.optimizer",
        "model.layers",
        "model.bn",
    }


def columns(log_root: Path) -> list[api_pb2.HParamInfo]:
    content = read_run(Place(log_root / STUDY / "_study"))["experiment"]
    return list(api_pb2.Experiment.FromString(content or b"").hparam_infos)


def test_the_five_first_columns_are_those_that_are_likely_to_matter_most(tmp_path: Path) -> None:
    plain = {"type": "float", "low": 0.0, "high": 1.0}
    names = ("z.one", "y.two", "x.three", "w.four", "v.five", "u.six")
    rate = {"type": "float", "low": 1e-5, "high": 1e-1, "log": True}
    parameters = {**dict.fromkeys(names, plain), "train.learning_rate": rate}
    space = SearchSpace.from_json({"parameters": parameters})
    write_study(tmp_path, STUDY, space, MAXIMIZE, {})

    first = {info.name for info in columns(tmp_path) if info.differs}
    assert first == {"train.learning_rate", "z.one", "y.two", "x.three", "w.four"}


def test_columns_have_short_names_where_these_are_unique(tmp_path: Path) -> None:
    plain = {"type": "float", "low": 0.0, "high": 1.0}
    names = ("train.rate", "model.size", "data.size")
    space = SearchSpace.from_json({"parameters": dict.fromkeys(names, plain)})
    write_study(tmp_path, STUDY, space, MAXIMIZE, {})

    shown = {info.name: info.display_name for info in columns(tmp_path)}
    assert shown == {
        "train.rate": "rate",
        "model.size": "model.size",
        "data.size": "data.size",
    }


@pytest.mark.parametrize(("goal", "best"), [("maximize", [1, 3, 3]), ("minimize", [1, 1, 0])])
def test_best_so_far_follows_the_goal(tmp_path: Path, goal: str, best: list[float]) -> None:
    write_study(tmp_path, STUDY, SPACE, [{"name": "m", "goal": goal}], {0: 1.0, 2: 3.0, 5: 0.0})

    assert curve(tmp_path, "study/objective") == [(0, 1), (2, 3), (5, 0)]
    assert curve(tmp_path, "study/best_so_far") == list(zip([0, 2, 5], best, strict=True))


def test_trials_that_end_in_any_order_give_the_same_curves(tmp_path: Path) -> None:
    values = {trial: random.Random(trial).random() for trial in range(60)}
    order = list(values)
    random.Random(7).shuffle(order)
    writer = StudyWriter(tmp_path, STUDY, SPACE, MAXIMIZE)
    for count, trial in enumerate(order):
        writer.add(trial, values[trial])
        if count % 3 == 0:
            assert writer.write() is True
        if count % 20 == 19:  # the coordinator starts again and is told everything once more
            writer.close()
            writer = StudyWriter(tmp_path, STUDY, SPACE, MAXIMIZE)
            for earlier in order[: count + 1]:
                writer.add(earlier, values[earlier])
    writer.write()
    writer.close()

    points = curve(tmp_path, "study/objective")
    assert [trial for trial, _ in points] == list(range(60))
    assert [value for _, value in points] == pytest.approx([values[t] for t in range(60)])
    best = [max(list(values.values())[: n + 1]) for n in range(60)]
    assert [value for _, value in curve(tmp_path, "study/best_so_far")] == pytest.approx(best)


def test_a_restart_writes_nothing_that_is_there(tmp_path: Path) -> None:
    values = {trial: 0.1 * trial for trial in range(20)}
    write_study(tmp_path, STUDY, SPACE, MAXIMIZE, values)

    assert write_study(tmp_path, STUDY, SPACE, MAXIMIZE, values) is False
    assert write_study(tmp_path, STUDY, SPACE, MAXIMIZE, values | {20: 9.0}) is True
    run = read_run(Place(tmp_path / STUDY / "_study"))
    assert len(run["scalars"]["study/objective"]) == 21


def test_a_damaged_study_run_is_completed(tmp_path: Path) -> None:
    values = {trial: float(trial) for trial in range(10)}
    write_study(tmp_path, STUDY, SPACE, MAXIMIZE, values)
    (path,) = event_files(tmp_path / STUDY / "_study")
    content = path.read_bytes()
    for size in range(0, len(content), 97):
        for other in event_files(path.parent):
            other.unlink()
        path.write_bytes(content[:size])
        write_study(tmp_path, STUDY, SPACE, MAXIMIZE, values)
        assert curve(tmp_path, "study/best_so_far") == [(t, float(t)) for t in range(10)]
        assert write_study(tmp_path, STUDY, SPACE, MAXIMIZE, values) is False


def test_servers_that_write_in_turn_give_one_curve(tmp_path: Path) -> None:
    one, other = (StudyWriter(tmp_path, STUDY, SPACE, MAXIMIZE) for _ in range(2))
    for trial in range(6):
        writer = (one, one, other, other, one, one)[trial]
        for known in range(trial + 1):
            writer.add(known, known / 8)
        writer.write()
        assert curve(tmp_path, "study/objective") == [(n, n / 8) for n in range(trial + 1)]

    newest = event_files(tmp_path / STUDY / "_study")[-1]
    assert read_run(Place(newest.parent))["experiment"] is not None
    assert one.write() is False
    one.close()
    other.close()


def test_several_metrics_have_curves_of_their_own(tmp_path: Path) -> None:
    values = {0: [0.5, 8.0], 1: [0.75, math.nan], 2: [0.25, 4.0]}
    write_study(tmp_path, STUDY, SPACE, TWO, values)

    assert curve(tmp_path, "study/best_so_far") == [(0, 0.5), (1, 0.75), (2, 0.75)]
    assert curve(tmp_path, "study/objective_1") == [(0, 8.0), (2, 4.0)]
    assert curve(tmp_path, "study/best_so_far_1") == [(0, 8.0), (1, 8.0), (2, 4.0)]
    assert write_study(tmp_path, STUDY, SPACE, TWO, values) is False


def test_non_finite_objectives_make_no_point(tmp_path: Path) -> None:
    write_study(tmp_path, STUDY, SPACE, MAXIMIZE, {0: math.nan, 1: math.inf, 2: 0.5})

    assert curve(tmp_path, "study/objective") == [(2, 0.5)]


def test_a_write_on_a_full_disk_may_be_repeated(tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path, STUDY, SPACE, MAXIMIZE)
    writer.add(0, 0.5)
    writer.write()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for trial in (2, 1):
        writer.add(trial, 0.25 * trial)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                writer.write()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert writer.write() is True

    assert curve(tmp_path, "study/objective") == [(0, 0.5), (1, 0.25), (2, 0.5)]
    assert curve(tmp_path, "study/best_so_far") == [(0, 0.5), (1, 0.5), (2, 0.5)]


def test_only_the_tail_is_written_when_a_trial_ends_late(tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path, STUDY, SPACE, MAXIMIZE)
    for trial in range(2000):
        if trial != 1995:
            writer.add(trial, float(trial))
    writer.write()
    (path,) = event_files(tmp_path / STUDY / "_study")
    size = path.stat().st_size
    writer.add(1995, 1.0)
    writer.write()

    assert path.stat().st_size - size < 2000
    assert len(curve(tmp_path, "study/objective")) == 2000


def shown_text(log_root: Path) -> list[tuple[int, str]]:
    """Return what stands in TensorBoard's text tab: step and Markdown."""
    accumulator = EventAccumulator(str(log_root / STUDY / "_study"))
    accumulator.Reload()
    if HISTORY_TAG not in accumulator.Tags()["tensors"]:
        return []
    assert HISTORY_TAG in accumulator.PluginTagToContent("text")
    return [
        (event.step, event.tensor_proto.string_val[0].decode())
        for event in accumulator.Tensors(HISTORY_TAG)
    ]


def test_the_text_tab_says_what_history_taught_also_after_trials_that_ended_late(
    tmp_path: Path,
) -> None:
    writer = StudyWriter(tmp_path, STUDY, SPACE, MAXIMIZE)
    writer.explain("**20 trials of 1 study** | ä")
    writer.add(0, 0.5)
    writer.write()
    writer.add(3, 0.6)
    writer.write()
    assert writer.write() is False
    assert shown_text(tmp_path) == [(0, "**20 trials of 1 study** | ä")]
    writer.explain("now 40")
    writer.write()
    writer.add(1, 0.7)  # what stood from step 1 on is void, and written again
    writer.write()
    writer.close()

    assert shown_text(tmp_path)[-1] == (3, "now 40")
    assert [step for step, _ in curve(tmp_path, "study/objective")] == [0, 1, 3]


def test_without_history_there_is_no_text(tmp_path: Path) -> None:
    write_study(tmp_path, STUDY, SPACE, MAXIMIZE, {0: 0.5})

    assert shown_text(tmp_path) == []


def test_a_run_whose_columns_have_grown_is_begun_anew(tmp_path: Path) -> None:
    first = SearchSpace(parameters=SPACE.parameters[:1])

    def write(space: SearchSpace, *, is_growing: bool) -> None:
        writer = StudyWriter(tmp_path, STUDY, space, MAXIMIZE, is_growing=is_growing)
        writer.add(0, 0.5)
        writer.write()
        writer.close()

    def columns() -> set[str]:
        content = read_run(Place(tmp_path / STUDY / "_study"))["experiment"]
        assert content is not None
        return {info.name for info in api_pb2.Experiment.FromString(content).hparam_infos}

    write(first, is_growing=True)
    assert columns() == set(first.names)
    write(SPACE, is_growing=True)
    assert columns() == set(SPACE.names)
    assert curve(tmp_path, "study/objective") == [(0, 0.5)]
    assert len(event_files(tmp_path / STUDY / "_study")) == 1
    # Of any other study what is there stays, whoever wrote it.
    write(first, is_growing=False)
    assert columns() == set(SPACE.names)
