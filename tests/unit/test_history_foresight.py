"""Which earlier studies inform pruning, and what is said of the others."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.history.database import HistoryDatabase, history_database, make_spec
from tuner.curves.belief import CurveBelief, CurveRank, chances
from tuner.history import HistoryStore
from tuner.history.choosing.finding import find
from tuner.history.learning_curves.curve_prior import CurveReceipt, find_curves
from tuner.history.store.records import HistoricTrial
from tuner.spec import parse_spec

EPOCHS = 8
LAST_OF_MANY = CurveRank(cell=49, better=60.0, of=60)


@pytest.fixture
def base(tmp_path: Path) -> Iterator[HistoryDatabase]:
    with history_database(tmp_path) as base:
        yield base


def trials(seed: int, *, count: int = 40, stopped: float = 0.0, flat: bool = False) -> list[Any]:
    """Return trials whose curves rise to a height of their own; the lowest share is stopped."""
    place = random.Random(seed)
    heights = sorted((place.random() for _ in range(count)), reverse=True)
    made = []
    for number, height in enumerate(heights):
        ends = number >= count * (1 - stopped)
        length = 2 if ends else EPOCHS
        curve = tuple((step, height * step / EPOCHS) for step in range(1, length + 1))
        made.append(
            HistoricTrial(
                key=str(number),
                params={"train.rate": 10 ** (-4 + 3 * place.random()), "train.momentum": height},
                metrics={"score": height},
                curves={} if flat else {"score": curve},
                state="pruned" if ends else "complete",
            )
        )
    return made


def look(
    base: HistoryDatabase, top: float = 0.5, cache: Any = None, data: str | None = None, **keys: Any
) -> tuple[CurveBelief | None, CurveReceipt]:
    spec = parse_spec(make_spec("new", **keys))
    store = HistoryStore(base.storage)
    found = find(store, spec, data=data)
    return find_curves(store, spec, found, top, {} if cache is None else cache)


def test_studies_with_curves_inform_and_the_others_say_why_not(base: HistoryDatabase) -> None:
    for seed in range(3):
        base.add_import(f"good-{seed}", trials(seed))
    base.add_import("few", trials(7, count=12))
    base.add_import("flat", trials(8, flat=True))
    base.add_import("stopped", trials(9, stopped=0.8))

    belief, receipt = look(base)

    assert belief is not None
    assert receipt.summary == "the curves of 120 trials of 3 studies inform pruning"
    assert {item["key"] for item in receipt.used} == {"good-0", "good-1", "good-2"}
    assert receipt.left_out == {
        "few": "12 trials with curves, at least 20 needed",
        "flat": "0 trials with curves, at least 20 needed",
        "stopped": "only 8 of 40 trials with curves ran to their end",
    }
    assert chances(belief, LAST_OF_MANY)[0] < 0.1
    assert receipt.key == belief.key


def test_a_study_that_stopped_its_worst_trials_teaches_the_same(base: HistoryDatabase) -> None:
    for seed in range(3):
        base.add_import(f"pruned-{seed}", trials(seed, stopped=0.4))
    belief, receipt = look(base)

    assert belief is not None
    assert [(item["trials"], item["whole"]) for item in receipt.used] == [(40, 24)] * 3
    early = CurveRank(cell=24, better=60.0, of=60)
    assert chances(belief, early)[0] < 0.1, "they stood there when they were stopped"


def test_a_veto_and_a_weight_of_the_spec_hold_for_curves(base: HistoryDatabase) -> None:
    for seed in range(3):
        base.add_import(f"good-{seed}", trials(seed), locator=f"/logs/good-{seed}")

    _, vetoed = look(base, history=[{"path": "/logs/good-0", "weight": 0}, "auto"])
    light, _ = look(base, history=[{"path": "/logs/good-0", "weight": 0.1}])
    heavy, _ = look(base, history=[{"path": "/logs/good-0", "weight": 1}])

    assert {item["key"] for item in vetoed.used} == {"good-1", "good-2"}
    assert light is not None
    assert heavy is not None
    assert chances(heavy, LAST_OF_MANY)[0] < chances(light, LAST_OF_MANY)[0] < 0.5


def test_the_same_data_gives_peers_and_only_what_is_new_is_read_again(
    base: HistoryDatabase,
) -> None:
    base.add_import("same", trials(0), data="d" * 64)
    base.add_import("other", trials(1))
    cache: dict[Any, Any] = {}

    belief, receipt = look(base, data="d" * 64, cache=cache)
    assert belief is not None
    assert belief.population is not None
    assert [item["same_data"] for item in receipt.used] == [True, False]
    known = dict(cache)
    again, _ = look(base, data="d" * 64, cache=cache)
    assert again is not None
    assert again.key == belief.key
    assert all(cache[key] is value for key, value in known.items())
    assert look(base)[0].population is None  # type: ignore[union-attr]


def test_without_history_nothing_is_known_and_that_is_said(base: HistoryDatabase) -> None:
    assert look(base)[1].summary == "prunes nothing: no earlier study informs this one"
    base.add_import("good", trials(0))
    belief, receipt = look(base, history="none")

    assert belief is None
    assert receipt.summary == "prunes nothing: history is none"
