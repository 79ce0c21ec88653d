"""Which submissions are the same study, and which changes a study takes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.test_spec import MINIMAL
from tuner.spec import Change, compare, identity, parse_spec

SPACE: dict[str, Any] = {
    "x": {"type": "int", "low": 1, "high": 4},
    "y": {"type": "float", "low": 0, "high": 1},
}
BASE: dict[str, Any] = {**MINIMAL, "search_space": SPACE}


def test_the_same_spec_in_other_words_is_the_same_study():
    reordered = {
        **BASE,
        "search_space": {
            "y": {"high": 1.0, "low": 0.0, "type": "float", "log": False},
            "x": {"type": "int", "low": 1, "high": 4.0},
        },
        "metric": [BASE["metric"]],
        "constraints": [],
    }

    assert identity(parse_spec(reordered), "c", "d") == identity(parse_spec(BASE), "c", "d")


@pytest.mark.parametrize(
    "change",
    [
        {"budget": {"trials": 99}},
        {"parallel": 3},
        {"pruner": "asha"},
        {"priority": 5},
        {"trial": {"timeout": "5m"}},
        {"data": {"paths": ["elsewhere.npz"]}},
        {"history": "none"},
        {"history": ["vision/old", {"path": "/old-logs", "weight": 0.5}]},
    ],
)
def test_identity_covers_no_limits(change: dict[str, Any]):
    assert identity(parse_spec({**BASE, **change}), None, None) == identity(
        parse_spec(BASE), None, None
    )


#: What makes it another study.
DECISIVE: list[dict[str, Any]] = [
    {"search_space": {**SPACE, "z": {"type": "bool"}}},
    {"search_space": {**SPACE, "x": {"type": "int", "low": 1, "high": 5}}},
    {"forbid": [{"x": 4}]},
    {"objective": "objectives:other"},
    {"metric": {"name": "loss", "goal": "maximize"}},
    {"data": {"name": "digits"}},
]


@pytest.mark.parametrize("change", DECISIVE)
def test_identity_covers_what_results_depend_on(change: dict[str, Any]):
    assert identity(parse_spec({**BASE, **change}), None, None) != identity(
        parse_spec(BASE), None, None
    )


@pytest.mark.parametrize("change", DECISIVE)
def test_what_makes_it_another_study_is_refused_as_a_change(change: dict[str, Any]):
    changed, refused = compare(parse_spec(BASE), parse_spec({**BASE, **change}))

    assert changed == []
    assert {item.key.partition(".")[0] for item in refused} == set(change)


def test_identity_covers_code_and_data():
    spec = parse_spec(BASE)

    assert len({identity(spec, c, d) for c in (None, "c1", "c2") for d in (None, "d1")}) == 6


def test_nothing_differs_between_a_spec_and_itself():
    assert compare(parse_spec(BASE), parse_spec(BASE)) == ([], [])


def test_limits_may_change_and_are_named_one_by_one():
    new = {
        **BASE,
        "budget": {"trials": 9, "hours": 1},
        "parallel": 2,
        "pruner": "asha",
        "priority": 1,
        "history": ["vision/old"],
    }

    changed, refused = compare(parse_spec(BASE), parse_spec(new))

    assert refused == []
    assert changed == [
        Change(key="pruner.name", old="none", new="asha"),
        Change(key="history", old="auto", new=[{"study": "vision/old"}]),
        Change(key="budget.trials", old=3, new=9),
        Change(key="budget.hours", old=None, new=1.0),
        Change(key="parallel", old=None, new=2),
        Change(key="priority", old=0, new=1),
    ]


def test_what_results_depend_on_may_not_change():
    new = {
        **BASE,
        "objective": "objectives:other",
        "search_space": {"x": {"type": "int", "low": 1, "high": 5}, "z": {"type": "bool"}},
        "sampler": "random",
        "budget": {"trials": 9},
    }

    changed, refused = compare(parse_spec(BASE), parse_spec(new))

    assert [change.key for change in changed] == ["budget.trials"]
    assert [change.key for change in refused] == [
        *("objective", "search_space.x", "search_space.y", "search_space.z", "sampler.name"),
    ]


def test_a_study_keeps_its_sampler_when_the_default_has_changed():
    stored = parse_spec({**BASE, "sampler": "tpe"}).with_seed(42)

    assert compare(stored, parse_spec(BASE)) == ([], [])
    assert compare(stored, parse_spec(parse_spec(BASE).to_json())) == ([], [])
    assert compare(stored, parse_spec({**BASE, "sampler": "bayesian"}))[1] == [
        Change(key="sampler.name", old="tpe", new="bayesian")
    ]


def test_a_drawn_seed_is_no_difference_a_chosen_one_is():
    stored = parse_spec(BASE).with_seed(42)

    assert compare(stored, parse_spec(BASE)) == ([], [])
    assert compare(stored, parse_spec({**BASE, "sampler": {"seed": 1}}))[1] == [
        Change(key="sampler.seed", old=42, new=1)
    ]
