"""The pruner that asks history, on a study in memory: horizons, marks, restarts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.keras_table.table import load_table
from tests.benchmarks.pruning_play import Task, believe, make_task
from tests.support.databases.pruned_study import JudgedStudy
from tuner.curves.belief import CurveBelief
from tuner.history.learning_curves.horizon import declared_horizon
from tuner.proposals.in_memory_study import InMemoryStudy
from tuner.proposals.pruners.by_history import HistoryPruner
from tuner.proposals.pruners.marks import MARK
from tuner.proposals.pruners.wording import mark_text

TASKS = [make_task(task.name, task.curves()) for task in load_table().tasks[:9]]
TARGET = TASKS[0]
BELIEF = believe([task.sub(range(64)) for task in TASKS[1:]], 0.25)
EPOCHS = 15


class Study(JudgedStudy):
    """A study whose trials train the configurations of a task, epoch by epoch, several at once."""

    def __init__(
        self, belief: CurveBelief | None = BELIEF, *, horizon: int | None = EPOCHS
    ) -> None:
        pruner = HistoryPruner(top=0.25)
        pruner.constants = {} if horizon is None else {"train.epochs": horizon}
        pruner.take(belief)
        super().__init__(pruner)
        self.history = pruner

    def restarted(self) -> Study:
        """Return the study as another coordinator builds it from what is stored."""
        referee = self.history._referee
        other = Study(referee.belief if referee else None)
        other.history.constants = self.history.constants
        other.load(self)
        return other


def train(
    study: Study, rows: list[int], *, workers: int = 1, restart_every: int = 0, task: Task = TARGET
) -> Study:
    """Train configurations, `workers` at once; take the study from the database now and then."""
    left, running, reports = list(rows), {}, 0
    while left or running:
        while left and len(running) < workers:
            running[study.add()] = (left.pop(0), 1)
        for number, (row, step) in list(running.items()):
            value = float(task.curves[row, step - 1])
            prunes = study.report(number, step, value)
            reports += 1
            if restart_every and reports % restart_every == 0:
                study = study.restarted()
            running[number] = (row, step + 1)
            if prunes or not math.isfinite(value):
                study.end(number, "pruned", value)
            elif step == EPOCHS:
                study.end(number, "complete", float(np.min(task.curves[row])))
            if number in study.ended:
                del running[number]
    return study


ROWS = [int(row) for row in np.random.default_rng(4).permutation(256)[:40]]


@pytest.fixture(scope="module")
def played() -> Study:
    return train(Study(), ROWS)


def test_it_stops_bad_trials_and_says_why(played: Study) -> None:
    stopped = {n: step for n, step, prunes in played.orders if prunes}
    assert 5 <= len(stopped) <= 25
    assert min(step for step in stopped.values()) <= 3, "some early"
    for number, step in stopped.items():
        mark = played.in_memory.trial_attrs(number)[MARK]
        assert (mark["step"], mark["horizon"], mark["audited"]) == (step, EPOCHS, False)
        assert mark["used"] < 0.1
        assert mark["rank"] > mark["of"] / 4
        text = mark_text(mark)
        assert text.startswith(f"stopped at epoch {step} of 15: ")
        assert "of the trials of 8 studies that stood so, " in text
        assert "in the best quarter; trust 0.9" in text


def test_the_first_it_condemns_run_on_and_are_marked(played: Study) -> None:
    marks = [played.in_memory.trial_attrs(n).get(MARK) for n in range(len(ROWS))]
    by_count = {mark["count"]: mark for mark in marks if mark is not None}

    assert sorted(by_count) == list(range(1, len(by_count) + 1))
    assert [n for n, mark in by_count.items() if mark["audited"]][:4] == [1, 2, 4, 8]
    assert "would have been stopped" in mark_text(by_count[1])
    audited = [n for n, mark in enumerate(marks) if mark is not None and mark["audited"]]
    assert all(played.ended[number][0] == "complete" for number in audited)


@pytest.mark.parametrize("workers", [1, 5])
def test_decisions_are_the_same_after_every_restart(played: Study, workers: int) -> None:
    through = played if workers == 1 else train(Study(), ROWS, workers=workers)
    anew = train(Study(), ROWS, workers=workers, restart_every=7)

    assert anew.orders == through.orders
    numbers = range(len(ROWS))
    assert [anew.in_memory.trial_attrs(n) for n in numbers] == [
        through.in_memory.trial_attrs(n) for n in numbers
    ]


def test_a_report_that_is_sent_again_gets_the_same_answer(played: Study) -> None:
    study = train(Study(), ROWS[:30])
    number = study.add()
    for step in (1, 2, 3, 4):
        if study.report(number, step, 1e6):
            break
    mark = study.in_memory.trial_attrs(number)[MARK]

    assert study.report(number, step, 1e6) == (not mark["audited"])
    assert study.in_memory.trial_attrs(number)[MARK] == mark


def test_what_a_running_trial_was_marked_with_is_no_business_of_the_sampler() -> None:
    study = train(Study(), ROWS[:30])
    number = study.add()
    for step in (1, 2, 3, 4):
        study.report(number, step, 1e6)

    assert MARK in study.in_memory.trial_attrs(number)
    assert MARK not in study.in_memory.snapshot().trials[number].system_attrs


def test_it_follows_the_goal() -> None:
    study = Study()
    study.in_memory = InMemoryStudy("p/s", ["maximize"], study.pruner)
    flipped = Task("flipped", -TARGET.curves, -TARGET.final)
    train(study, ROWS[:25], task=flipped)
    mirrored = train(Study(), ROWS[:25])

    assert [prunes for *_, prunes in study.orders] == [prunes for *_, prunes in mirrored.orders]


def test_without_history_it_stops_nothing() -> None:
    other = believe([task.sub(range(64)) for task in TASKS[1:]], 0.5)
    for belief in (None, other):
        study = train(Study(belief), ROWS[:20])
        assert not any(prunes for *_, prunes in study.orders)


def test_nothing_is_stopped_before_a_horizon_is_known() -> None:
    study = Study(horizon=None)
    numbers = [study.add() for _ in range(30)]
    for step in range(1, 6):
        for rank, number in enumerate(numbers):
            assert not study.report(number, step, float(rank))
    whole = study.add()
    for step in range(1, 13):
        study.report(whole, step, 50.0)
    study.end(whole, "complete", 50.0)

    stopped = [number for number in numbers[-6:] if study.report(number, 6, 1e3)]
    assert stopped, "now one trial is whole"
    assert study.in_memory.trial_attrs(stopped[0])[MARK]["horizon"] == 12


def test_nothing_is_stopped_at_its_last_step_or_beyond() -> None:
    study = train(Study(), ROWS[:30])
    number = study.add()

    assert not study.report(number, EPOCHS, 1e9)
    assert not study.report(number, EPOCHS + 5, 1e9)


@pytest.mark.parametrize(
    ("values", "horizon"),
    [
        ({"epochs": 30}, 30),
        ({"train.epochs": 30, "x": 1}, 30),
        ({"Train.maxEpochs": "12"}, 12),
        ({"num_epochs": 12.0}, 12),
        ({"warmup_epochs": 3, "epochs": 20}, 20),
        ({"pretrain.epochs": 5, "train.epochs": 20}, None),
        ({"epochs": True}, None),
        ({"epochs": 0}, None),
        ({"epochs": "many"}, None),
        ({"x": 3}, None),
    ],
)
def test_the_horizon_is_what_a_name_declares(values: dict[str, Any], horizon: float | None) -> None:
    assert declared_horizon(values) == horizon
