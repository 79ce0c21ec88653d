"""From when on ranks predict the end, and whether a rung misleads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.history.database import HistoryDatabase, history_database, make_spec
from tuner.curves.early_ranks import (
    correlations,
    first_cell,
    misleads,
    rank_correlation,
    values_at,
)
from tuner.curves.runs import CELLS
from tuner.history import HistoryStore
from tuner.history.choosing.finding import find
from tuner.history.learning_curves.early import EarlyRanks, find_early_ranks
from tuner.history.store.records import HistoricTrial
from tuner.spec import parse_spec
from tuner.surrogate.columns import Floats

EPOCHS = 50


def study(seed: int, known_from: int, count: int = 40) -> tuple[Floats, Floats]:
    """Return trials of 50 epochs that say nothing before `known_from`, and all from it on."""
    rng = np.random.default_rng(seed)
    final = rng.uniform(size=count)
    rows = []
    for value in final:
        early = {step: float(10 + rng.uniform()) for step in range(1, known_from)}
        late = {step: float(value + 1 / step) for step in range(known_from, EPOCHS + 1)}
        rows.append(values_at(early | late, EPOCHS))
    return np.array(rows), final


def test_a_rank_correlation_is_spearmans() -> None:
    values = np.array([3.0, 1.0, 2.0, 2.0, 9.0])

    assert rank_correlation(values, values**3) == pytest.approx(1.0)
    assert rank_correlation(values, -values) == pytest.approx(-1.0)
    assert rank_correlation(values, np.zeros(5)) == 0.0
    assert rank_correlation(np.array([1e300, -1e300, 0.0]), np.arange(3.0)) == pytest.approx(-0.5)


@pytest.mark.parametrize("known_from", [1, 4, 12])
def test_the_first_step_that_foretells_the_end_is_found(known_from: int) -> None:
    found = first_cell([correlations(*study(seed, known_from)) for seed in range(3)])

    assert found is not None
    assert math.ceil((found[0] + 1) / CELLS * EPOCHS) == known_from
    assert found[1] > 0.9


def test_curves_that_say_nothing_before_their_end_have_no_first_step() -> None:
    assert first_cell([correlations(*study(seed, 49)) for seed in range(3)]) is None
    assert first_cell([]) is None


def test_few_curves_say_it_only_where_they_say_it_clearly() -> None:
    order = np.array([2, 0, 4, 1, 3, 6, 7, 5])  # rank correlation .76

    def copies(count: int) -> tuple[Floats, int]:
        final = np.concatenate([np.arange(8.0) * count + i for i in range(count)])
        early = np.concatenate([order * count + float(i) for i in range(count)])
        return correlations(np.repeat(early[:, None], CELLS, axis=1), final)

    assert first_cell([copies(5)]) is not None
    assert first_cell([copies(1)]) is None
    assert first_cell([copies(1)] * 10) is not None, "ten studies that agree"


def test_what_a_rung_finds_of_a_trial_is_its_first_report_there_or_beyond() -> None:
    values = values_at({10: 3.0, 30: 2.0, 60: 1.0}, 100)

    assert [values[cell] for cell in (0, 9, 10, 29, 30, 59)] == [3.0, 3.0, 2.0, 2.0, 1.0, 1.0]
    assert np.isnan(values[60:]).all()


def test_a_rung_misleads_when_enough_trials_say_so() -> None:
    assert misleads(-0.1, 12)
    assert not misleads(-0.1, 6), "too few"
    assert not any(misleads(0.5, count) for count in (5, 20, 100))


@pytest.fixture
def base(tmp_path: Path) -> Iterator[HistoryDatabase]:
    with history_database(tmp_path) as base:
        yield base


def historic(seed: int, *, stopped: float = 0.0) -> list[HistoricTrial]:
    rng = np.random.default_rng(seed)
    made = []
    for number in range(40):
        height = float(rng.uniform())
        ends = number < 40 * stopped
        steps = range(1, 3 if ends else 9)
        curve = tuple((s, float(rng.uniform()) if s < 3 else height * s / 8) for s in steps)
        made.append(
            HistoricTrial(
                key=str(number),
                params={"train.rate": 10 ** (-4 + 3 * float(rng.uniform()))},
                metrics={"score": height},
                curves={"score": curve},
                state="pruned" if ends else "complete",
            )
        )
    return made


def look(base: HistoryDatabase, **keys: Any) -> EarlyRanks:
    spec = parse_spec(make_spec("new", **keys))
    store = HistoryStore(base.storage)
    return find_early_ranks(store, spec, find(store, spec), {})


def test_the_studies_of_history_say_it_together(base: HistoryDatabase) -> None:
    for seed in range(3):
        base.add_import(f"run-{seed}", historic(seed))
    found = look(base)

    assert found.progress is not None
    assert math.ceil(found.progress * 8) == 3
    assert (found.studies, found.trials) == (3, 120)


def test_a_study_whose_trials_were_mostly_stopped_does_not_count(base: HistoryDatabase) -> None:
    base.add_import("run", historic(0, stopped=0.7))

    assert look(base).progress is None
    assert look(base).studies == 0
