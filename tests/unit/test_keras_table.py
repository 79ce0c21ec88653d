from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.benchmarks.keras_table import journal
from tests.benchmarks.keras_table.space import SPACE, configurations
from tests.benchmarks.keras_table.study import foresight
from tests.benchmarks.keras_table.table import CHANNELS, SHIPPED, KerasTask, load_table

TASKS = load_table().tasks


def test_the_shipped_table_is_large_in_content_and_small_in_bytes() -> None:
    assert len(TASKS) >= 12
    assert len(TASKS[0].configurations) >= 150
    assert load_table().epochs == 15
    assert SHIPPED.stat().st_size <= 5_000_000


def test_every_task_has_the_same_configurations_and_the_space_allows_them() -> None:
    shipped = list(TASKS[0].configurations)

    assert shipped == configurations(len(shipped))
    assert all(list(task.configurations) == shipped for task in TASKS)
    assert [SPACE.problems(params) for params in shipped] == [[]] * len(shipped)
    assert len({SPACE.key(params) for params in shipped}) == len(shipped)
    assert TASKS[0].space == SPACE


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_curve_is_whole_until_it_diverges(task: KerasTask) -> None:
    for curves in task.seeds:
        channels = [getattr(curves, name) for name in CHANNELS if name != "seconds"]
        gone = np.isnan(channels[0])

        assert all(np.array_equal(np.isnan(values), gone) for values in channels)
        assert np.array_equal(np.logical_or.accumulate(gone, axis=1), gone)
        assert all((values[~gone] >= 0).all() for values in channels)
        assert task.kind == "number" or (curves.val_error[~gone] <= 1).all()
        assert (curves.seconds > 0).all()


def test_some_trainings_diverged_and_are_no_good_ones() -> None:
    diverged = np.concatenate([np.isnan(task.objective()) for task in TASKS])

    assert 0 < diverged.mean() < 0.1
    assert all(task.best < task.median < np.inf for task in TASKS)


def test_a_second_seed_tells_the_noise() -> None:
    assert len(TASKS[0].objective(seed=1)) >= 150
    assert all(0 < task.noise < 0.2 for task in TASKS)


def test_the_tasks_are_related_and_not_the_same() -> None:
    ranks = [stats.rankdata(np.nan_to_num(task.objective(), nan=np.inf)) for task in TASKS]
    correlations = np.corrcoef(ranks)[np.triu_indices(len(TASKS), 1)]

    assert 0.2 < np.median(correlations) < 0.95
    assert len({int(rank.argmin()) for rank in ranks}) > len(TASKS) / 3


def test_a_curve_that_was_seen_to_its_end_tells_the_end() -> None:
    for task in TASKS:
        end = foresight(task.curves(), task.objective(), load_table().epochs)
        early = foresight(task.curves(), task.objective(), 1)

        assert end.correlation == pytest.approx(1.0, abs=0.02)
        assert end.tenth_kept == 1.0
        assert early.correlation < end.correlation


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The first three configurations of the table, as their training wrote them down."""
    path = tmp_path / "runs.jsonl"
    for index, params in enumerate(TASKS[0].configurations[:3]):
        trained = {task.name: _run(task, index) for task in TASKS}
        journal.append(path, journal.Line(seed=0, configuration=index, params=params, runs=trained))
    return path


def _run(task: KerasTask, index: int) -> dict[str, Any]:
    return {name: getattr(task.seeds[0], name)[index].tolist() for name in CHANNELS}


def test_what_was_packed_is_read_back(runs: Path, tmp_path: Path) -> None:
    packing = pytest.importorskip("tests.benchmarks.keras_table.packing", exc_type=ImportError)
    packing.pack(runs, tmp_path / "table.npz")
    packed = load_table(tmp_path / "table.npz")

    assert [task.name for task in packed.tasks] == [task.name for task in TASKS]
    for name in CHANNELS:
        ours = [getattr(task.seeds[0], name)[:3] for task in TASKS]
        theirs = [getattr(task.seeds[0], name) for task in packed.tasks]
        np.testing.assert_allclose(theirs, ours, rtol=2e-4)


def test_a_line_that_was_cut_off_is_trained_again(runs: Path) -> None:
    whole = runs.read_bytes()
    runs.write_bytes(whole[:-20])

    assert sorted(journal.read(runs)) == [(0, 0), (0, 1)]

    last = journal.Line(seed=0, configuration=2, params={}, runs={})
    journal.append(runs, last)

    assert journal.read(runs)[0, 2] == last


def test_a_number_that_was_changed_is_noticed(tmp_path: Path) -> None:
    with np.load(SHIPPED) as file:
        arrays = dict(file)
    arrays["val_loss.0"][0, 0, 0] += 0.5
    np.savez_compressed(tmp_path / "table.npz", **arrays)

    with pytest.raises(ValueError, match="digest"):
        load_table(tmp_path / "table.npz")
