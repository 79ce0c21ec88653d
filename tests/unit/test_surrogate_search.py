"""The search finds the best point of any kind of space, and never one that may not be proposed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from typing_extensions import override

from tuner.space import SearchSpace
from tuner.space.encoding import Encoding
from tuner.surrogate.columns import Floats
from tuner.surrogate.search.acquisition import Acquisition
from tuner.surrogate.search.ascent import climb
from tuner.surrogate.search.searching import maximise
from tuner.surrogate.search.task import SearchTask, Taken

REALS = {f"x{i}": {"type": "float", "low": 0.0, "high": 1.0} for i in range(6)}
TREE = {
    "kind": {"type": "categorical", "values": list("abcdefgh")},
    "depth": {"type": "int", "low": 1, "high": 9},
    "deep": {"type": "float", "low": 0.0, "high": 1.0, "when": {"kind": ["f"]}},
    "deeper": {"type": "int", "low": 1, "high": 100, "log": True, "when": {"depth": [7, 8]}},
    "rate": {"type": "float", "low": 0.0, "high": 1.0},
}


class Needle(Acquisition):
    """A narrow hill at `top`; each choice that differs, and each missing entry, costs 3."""

    def __init__(self, top: Floats, choices: Floats, sharpness: float = 200.0) -> None:
        self.top, self.choices, self.sharpness = top, choices, sharpness

    @override
    def value(self, x: Floats) -> Floats:
        apart = np.where(np.isnan(x), 1.0, x - np.nan_to_num(self.top))
        apart = np.where(np.isnan(self.top), 0.0, apart)
        squares = np.where(self.choices, 3.0 * (apart != 0), self.sharpness * apart**2)
        hidden = np.isnan(x) & ~np.isnan(self.top)
        return -np.sum(np.where(hidden, 3.0, squares), axis=1)

    @override
    def slope(self, x: Floats, moving: Floats) -> tuple[Floats, Floats]:
        away = np.nan_to_num(x - self.top)
        return self.value(x), -2 * self.sharpness * np.where(self.choices, 0, away) * moving


def task(parameters: dict[str, Any], **changes: Any) -> SearchTask:
    space = SearchSpace.from_json({"parameters": parameters, "forbid": changes.pop("forbid", [])})
    encoding = Encoding(space)
    none = np.empty((0, len(encoding)))
    taken = Taken(encoding.columns, changes.pop("taken", none), changes.pop("running", none))
    facts: dict[str, Any] = {"taken": taken, "best": none, "seed": 3, "pins": {}}
    return SearchTask(grounds=encoding, **facts | changes)


def needle(made: SearchTask, params: dict[str, Any]) -> Needle:
    assert isinstance(made.grounds, Encoding)
    return Needle(made.grounds.encode(params), made.grounds.columns.is_choice)


def test_the_best_point_of_a_continuous_space_is_found_to_many_digits() -> None:
    made = task(REALS)
    top = np.array([0.123, 0.777, 0.5, 0.999, 0.001, 0.314])

    found = maximise(Needle(top, np.zeros(6, bool), 1e4), made)

    assert found is not None
    np.testing.assert_allclose(found[0], top, atol=1e-4)


def test_a_curved_valley_is_climbed_to_its_end() -> None:
    class Banana(Acquisition):
        @override
        def value(self, x: Floats) -> Floats:
            return self.slope(x, np.ones(x.shape))[0]

        @override
        def slope(self, x: Floats, moving: Floats) -> tuple[Floats, Floats]:
            a, b = 2 * x[:, 0] - 0.5, 2 * x[:, 1] - 0.5
            value = -100 * (b - a * a) ** 2 - (1 - a) ** 2
            by_a = 400 * a * (b - a * a) + 2 * (1 - a)
            return value, 2 * np.stack([by_a, -200 * (b - a * a)], axis=1)

    ends, values = climb(Banana(), np.random.default_rng(0).random((8, 2)), np.ones((8, 2), bool))

    assert values.max() > -1e-3
    np.testing.assert_allclose(ends[values.argmax()], [0.75, 0.75], atol=0.03)


@pytest.mark.parametrize(
    "params",
    [
        {"kind": "f", "depth": 3, "deep": 0.37, "rate": 0.91},
        {"kind": "b", "depth": 8, "deeper": 41, "rate": 0.05},
        {"kind": "f", "depth": 7, "deep": 0.98, "deeper": 99, "rate": 0.5},
    ],
)
def test_the_best_point_of_a_tree_is_found_with_its_conditional_parameters(
    params: dict[str, Any],
) -> None:
    made = task(TREE)

    found = maximise(needle(made, params), made)

    assert found is not None
    chosen = made.grounds.decode(found[0])  # type: ignore[attr-defined]
    assert chosen.keys() == params.keys()
    assert chosen == pytest.approx(params, abs=0.01)


def test_what_is_taken_forbidden_or_not_given_is_never_found() -> None:
    params = {"kind": "b", "depth": 3, "rate": 0.5}
    made = task(TREE, forbid=[{"kind": "b", "depth": 3}], pins={4: 0.25})
    assert made.grounds.names[4] == "rate"  # type: ignore[attr-defined]

    found = maximise(needle(made, params), made)

    assert found is not None
    chosen = made.grounds.decode(found[0])  # type: ignore[attr-defined]
    assert (chosen["kind"], chosen["depth"]) != ("b", 3)
    assert chosen["rate"] == pytest.approx(0.25)


def test_the_last_free_configuration_is_found_and_then_none() -> None:
    parameters = {"a": {"type": "int", "low": 1, "high": 20}, "b": {"type": "bool"}}
    every = [np.array([i / 19, j]) for i in range(20) for j in range(2)]
    for index in (0, 17, 39):
        taken = np.array(every[:index] + every[index + 1 :])
        made = task(parameters, taken=taken, best=taken[:3])

        found = maximise(needle(made, {"a": 9, "b": True}), made)

        assert found is not None
        np.testing.assert_allclose(found[0], every[index])
    made = task(parameters, taken=np.array(every), best=np.array(every[:3]))
    assert maximise(needle(made, {"a": 9, "b": True}), made) is None


def test_the_place_of_a_running_trial_is_left_to_it() -> None:
    top = np.full((1, 6), 0.5)
    made = task(REALS, running=top)

    found = maximise(Needle(top[0], np.zeros(6, bool)), made)

    assert found is not None
    assert 0.01 <= np.abs(found[0] - 0.5).max() < 0.3


def test_the_search_is_a_function_of_its_seed() -> None:
    first, second = (
        maximise(needle(made, {"kind": "c", "depth": 2, "rate": 0.3}), made)
        for made in (task(TREE), task(TREE))
    )

    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first[0], second[0])
