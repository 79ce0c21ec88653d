"""Configurations become points and come back; points that a model invents become valid ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.space_strategies import choose, spaces
from tuner.space import SearchSpace
from tuner.space.encoding import Encoding

SEEDS = st.integers(0, 2**32 - 1)
TREE = {
    "kind": {"type": "categorical", "values": ["a", "b", "c"]},
    "model": {"type": "fixed", "value": "net", "when": {"kind": ["a", "b"]}},
    "layers": {"type": "int", "low": 1, "high": 4, "when": {"kind": ["a"]}},
    "width": {"type": "int", "low": 1, "high": 512, "log": True, "when": {"layers": [2, 3]}},
    "rate": {"type": "float", "low": 1e-5, "high": 1e-1, "log": True},
    "batch": {"type": "ordinal", "values": [16, 32, 64]},
}


def encoding(parameters: dict[str, Any], forbid: list[dict[str, Any]] | None = None) -> Encoding:
    return Encoding(SearchSpace.from_json({"parameters": parameters, "forbid": forbid or []}))


@given(spaces(), SEEDS)
def test_a_configuration_comes_back_from_its_point(space: SearchSpace, seed: int) -> None:
    encoding, params = Encoding(space), space.walk(choose(seed))

    x = encoding.encode(params)
    back = encoding.decode(x)

    assert back.keys() == params.keys()
    for name, value in params.items():
        if space[name].kind == "float":
            assert back[name] == pytest.approx(value, rel=1e-9, abs=1e-9)
        else:
            assert back[name] == value
    np.testing.assert_allclose(encoding.canonical(x[None])[0], x, atol=1e-6)


@given(spaces(), SEEDS)
def test_any_point_becomes_a_valid_configuration(space: SearchSpace, seed: int) -> None:
    encoding, random = Encoding(space), np.random.default_rng(seed)
    x = random.uniform(-2.0, 8.0, (16, len(encoding)))
    x[random.random(x.shape) < 0.2] = np.nan

    walked = encoding.canonical(x)

    for row, plain in zip(walked, x, strict=True):
        params = encoding.decode(row)
        assert space.problems(params) == []
        assert encoding.decode(plain) == params
        assert {n for n, v in zip(encoding.names, row, strict=True) if not math.isnan(v)} == {
            name for name in params if space[name].kind != "fixed"
        }
        # A float in a narrow range far from 0 has few digits to tell places apart.
        np.testing.assert_allclose(encoding.encode(params), row, atol=1e-6)


@given(spaces(), st.integers(1, 70), SEEDS)
@settings(max_examples=50)
def test_samples_are_canonical_and_a_function_of_their_seed(
    space: SearchSpace, n: int, seed: int
) -> None:
    encoding = Encoding(space)

    x = encoding.sample(n, seed)

    assert x.shape == (n, len(encoding))
    np.testing.assert_array_equal(encoding.canonical(x), x)
    np.testing.assert_array_equal(encoding.sample(n, seed), x)


def test_samples_have_each_value_of_a_grid_equally_often_on_its_scale() -> None:
    x = encoding(TREE).sample(4096, 7)
    names = encoding(TREE).names

    batch = x[:, names.index("batch")]
    assert [np.mean(batch == v) for v in (0, 0.5, 1)] == pytest.approx([1 / 3] * 3, abs=0.01)
    width = x[:, names.index("width")]
    low = np.mean(width[~np.isnan(width)] < 0.5)
    assert low == pytest.approx(0.5, abs=0.05)


def test_samples_hold_no_forbidden_combination_and_the_rest_of_the_space() -> None:
    forbid = [{"kind": "a", "batch": 16}, {"model": "net", "batch": 64}]
    made = encoding(TREE, forbid)

    x = made.sample(500, 3)

    assert len(x) == 500
    assert not any(made.space.is_forbidden(made.decode(row)) for row in x)
    assert made.allowed(x).all()
    kinds = {(p["kind"], p["batch"]) for p in map(made.decode, x)}
    assert kinds == {("a", 32), ("b", 16), ("b", 32), ("c", 16), ("c", 32), ("c", 64)}


def test_a_space_that_is_forbidden_altogether_has_no_samples() -> None:
    made = encoding({"a": {"type": "bool"}}, [{"a": True}, {"a": False}])

    assert len(made.sample(10, 0)) == 0


def test_numbers_of_other_studies_have_a_place_also_outside_the_range() -> None:
    made = encoding(TREE)

    assert made.unit("rate", 1.0) == pytest.approx(1.25)
    assert made.unit("rate", 1e-6) == pytest.approx(-0.25)
    assert made.unit("layers", 7) == pytest.approx(2.0)
    assert made.unit("layers", 2.5) == pytest.approx(0.5)
    assert made.unit("batch", 48) == pytest.approx(0.75)
    assert made.unit("batch", 128) == pytest.approx(2.0)
    assert made.unit("kind", "c") == 2.0


def test_a_reversed_log_scale_tells_the_values_near_its_upper_end_apart() -> None:
    made = encoding(
        {
            "momentum": {"type": "float", "low": 0.001, "high": 1.0, "log": "reverse"},
            "period": {"type": "int", "low": 1, "high": 100, "log": "reverse"},
        }
    )

    # The mirror of the middle of the log scale: 1.001 - 10 ** -1.5.
    assert made.unit("momentum", 1.001 - 10**-1.5) == pytest.approx(0.5)
    assert made.decode(np.array([0.5, 0.5]))["momentum"] == pytest.approx(1.001 - 10**-1.5)
    assert made.decode(np.array([0.5, 0.5]))["period"] == 91
    drawn = [made.decode(x) for x in made.sample(256, 0)]
    assert sum(params["period"] > 90 for params in drawn) > 100
    with pytest.raises(ValueError, match="momentum"):
        made.unit("momentum", 1.1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", 0.0),
        ("rate", -1.0),
        ("rate", math.nan),
        ("rate", math.inf),
        ("rate", "fast"),
        ("rate", None),
        ("layers", True),
        ("kind", "d"),
        ("batch", "many"),
    ],
)
def test_what_has_no_place_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        encoding(TREE).unit(name, value)


def test_a_whole_number_of_a_huge_range_costs_no_list_of_its_values() -> None:
    made = encoding({"n": {"type": "int", "low": 1, "high": 2**53}})

    assert len(made.values(0)) <= 4096
    assert made.decode(made.encode({"n": 2**52}))["n"] == pytest.approx(2**52, rel=1e-12)
