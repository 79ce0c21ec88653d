"""Changing a spec key by key: what is taken, what is refused, and what a larger budget is."""

from __future__ import annotations

from typing import Any

import pytest

from tuner.errors import SpecError
from tuner.spec import EDITABLE, Budget, compare, edit_spec, is_raised, parse_spec

SPEC = parse_spec(
    {
        "project": "demo",
        "study": "toy",
        "objective": "toy:train",
        "metric": {"name": "score", "goal": "maximize"},
        "search_space": {"model.x": {"type": "float", "low": 0.0, "high": 1.0}},
        "budget": {"trials": 3, "hours": 2.0},
        "pruner": {"name": "asha", "reduction_factor": 4},
        "parallel": 2,
        "trial": {"timeout": 60, "keep": 3},
    }
)


def changes(**values: Any) -> dict[str, tuple[Any, Any]]:
    named = {key.replace("__", "."): value for key, value in values.items()}
    made, refused = compare(SPEC, edit_spec(SPEC, named))
    assert refused == []
    return {change.key: (change.old, change.new) for change in made}


def test_every_key_that_may_change_is_taken() -> None:
    values = {
        "pruner": "hyperband",
        "pruner.min_resource": 2,
        "pruner.max_resource": 9,
        "pruner.reduction_factor": 2,
        "budget.trials": 9,
        "budget.hours": 3.5,
        "budget.target": 0.5,
        "budget.patience": 7,
        "parallel": 4,
        "trial.timeout": "1h30m",
        "trial.retries": 0,
        "trial.gpus": 1,
        "trial.reproducibility": "off",
        "trial.backend": "jax",
        "trial.keep": 0,
        "priority": -1,
        "history": ["vision/old", "auto"],
    }
    options = ("startup_trials", "warmup_steps", "patience", "min_delta", "top", "confidence")
    other = {f"pruner.{name}" for name in options}

    edited = edit_spec(SPEC, values)
    assert set(values) | other == set(EDITABLE)
    assert (edited.trial.timeout, edited.priority, edited.budget.patience) == (5400.0, -1, 7)
    assert [item.place for item in edited.history] == ["vision/old", "auto"]
    assert edited.pruner.options == {"min_resource": 2, "max_resource": 9, "reduction_factor": 2}
    assert edited.space == SPEC.space


@pytest.mark.parametrize("nothing", [None, "none"])
@pytest.mark.parametrize("key", ["budget.hours", "parallel", "trial.timeout", "trial.keep"])
def test_none_removes_a_limit_that_may_be_left_out(key: str, nothing: str | None) -> None:
    ((changed, (_, new)),) = changes(**{key.replace(".", "__"): nothing}).items()

    assert (changed, new) == (key, None)


@pytest.mark.parametrize("nothing", [None, "none"])
@pytest.mark.parametrize("key", ["priority", "trial.retries", "trial.gpus"])
def test_none_is_refused_where_there_is_no_limit_to_remove(key: str, nothing: str | None) -> None:
    with pytest.raises(SpecError, match=f'^{key}: "none": '):
        edit_spec(SPEC, {key: nothing})


def test_another_pruner_takes_its_own_options_and_not_those_of_the_old_one() -> None:
    assert changes(pruner="median", pruner__warmup_steps=5) == {
        "pruner.name": ("asha", "median"),
        "pruner.reduction_factor": (4, None),
        "pruner.warmup_steps": (None, 5),
    }
    assert changes(pruner="history", pruner__top=0.25)["pruner.top"] == (None, 0.25)
    assert changes(pruner__reduction_factor=2) == {"pruner.reduction_factor": (4, 2)}
    assert changes(pruner={"name": "asha", "reduction_factor": 4}) == {}
    assert changes(pruner__name="none") == changes(pruner=None) == changes(pruner="none")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"budget": {"trials": 4}}, "budget: a section: give its keys one by one"),
        ({"budget.trails": 4}, 'budget.trails: unknown key: did you mean "budget.trials"?'),
        ({"budget.gpu_hours": 4}, "budget.gpu_hours: comes with a later release"),
        ({"sampler.seed": 4}, "sampler.seed: may not change"),
        ({"project": "x"}, "project: may not change"),
        ({"pruner": "asha", "pruner.name": "median"}, "pruner.name: given twice"),
        ({"": 1}, '"": unknown key'),
        ({"a" * 500: 1}, "unknown key"),
    ],
)
def test_a_key_that_may_not_change_is_refused_with_those_that_may(
    values: dict[str, Any], said: str
) -> None:
    with pytest.raises(SpecError) as refused:
        edit_spec(SPEC, values)

    first, last = str(refused.value).splitlines()
    assert said in first
    assert last == f"may change: {', '.join(EDITABLE)}"


@pytest.mark.parametrize(
    ("old", "new", "raised"),
    [
        ({"trials": 4}, {"trials": 5}, True),
        ({"trials": 4}, {"trials": 3}, False),
        ({"trials": 4}, {"hours": 1.0}, True),
        ({"trials": 4}, {"trials": 4, "hours": 1.0}, False),
        ({"hours": 1.0}, {"hours": 1.5}, True),
        ({"patience": 4}, {"patience": 5}, True),
        ({"target": 0.5}, {"target": 0.6}, True),
        ({"target": 0.5}, {"target": 0.4}, False),
        ({"target": 0.5}, {"trials": 9}, True),
    ],
)
def test_a_budget_is_raised_when_a_limit_lies_farther_or_is_gone(
    old: dict[str, Any], new: dict[str, Any], raised: bool
) -> None:
    before, after = Budget(**old), Budget(**new)

    assert is_raised(before, after, maximize=True) is raised
    if "target" in old and "target" in new:
        assert is_raised(before, after, maximize=False) is not raised
