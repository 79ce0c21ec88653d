"""What a trial runs: an objective, a hypermodel, a command, or nothing of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_spec import MINIMAL
from tuner.errors import SpecError
from tuner.settings import load_settings
from tuner.spec import (
    StudySpec,
    compare,
    edit_spec,
    identity,
    keep_found,
    known_parameters,
    parse_spec,
    parse_stored,
)

REST = {key: MINIMAL[key] for key in MINIMAL if key not in ("objective", "search_space")}
SPACE = MINIMAL["search_space"]
UNITS = {"type": "int", "low": 8, "high": 64, "step": 8}
WAYS: dict[str, dict[str, Any]] = {
    "objectives:train": {"objective": "objectives:train", "search_space": SPACE},
    "hypermodel:zoo.nets:Net": {"hypermodel": "zoo.nets:Net"},
    "command": {"command": ["python", "train.py", "--x", "{x}", "{{y}}"], "search_space": SPACE},
    "external": {"objective": "external", "search_space": SPACE},
}


def hypermodel(**more: Any) -> StudySpec:
    return parse_spec({**REST, "hypermodel": "zoo:Net", **more})


def grown() -> StudySpec:
    """A study that was given one parameter, narrower than its hypermodel has it; one was found."""
    document = hypermodel(search_space={"depth": {"type": "int", "low": 1, "high": 3}}).to_json()
    document["search_space"]["units"] = UNITS
    document["found"] = [
        {
            "name": "depth",
            "source": "depth",
            "since": 0,
            "definition": {"type": "int", "low": 1, "high": 9},
        },
        {"name": "units", "source": "dense units", "since": 1},
    ]
    return parse_stored(document)


@pytest.mark.parametrize("entry", WAYS)
def test_each_way_is_stored_as_it_was_given_and_named_to_workers(entry: str) -> None:
    spec = parse_spec({**REST, **WAYS[entry]})
    document = spec.to_json()

    assert spec.entry == entry
    assert parse_spec(document) == spec
    assert {key: document[key] for key in WAYS[entry] if key != "search_space"} == {
        key: value for key, value in WAYS[entry].items() if key != "search_space"
    }


def test_a_spec_with_an_objective_is_stored_as_earlier_releases_know_it() -> None:
    document = parse_spec(MINIMAL).to_json()

    assert not {"hypermodel", "command", "found"} & document.keys()
    assert document["data"] == {"name": None, "paths": []}


def test_what_a_trial_begins_with_is_its_code() -> None:
    both = hypermodel(data={"loader": "loading:load"})
    module = parse_spec({**REST, "search_space": SPACE, "command": ["python", "-m", "pkg.main"]})

    assert both.modules == ("zoo", "loading")
    assert module.modules == ("pkg.main",)
    assert parse_spec({**REST, **WAYS["external"]}).modules == ()


def test_only_a_stored_spec_may_say_what_was_found() -> None:
    document = grown().to_json()

    assert parse_stored(document).to_json() == document
    with pytest.raises(SpecError, match="found: written by Tuner: leave it out"):
        parse_spec(document)


def test_what_was_found_is_no_part_of_what_a_study_is() -> None:
    old = grown()
    new = hypermodel(search_space={"depth": {"type": "int", "low": 1, "high": 3}})

    assert identity(old, "c", None) == identity(new, "c", None)
    assert compare(old, new) == ([], [])
    assert keep_found(old, new) == old


def test_an_edit_keeps_what_was_found() -> None:
    edited = edit_spec(grown(), {"budget.trials": 9})

    assert (edited.found, edited.space) == (grown().found, grown().space)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"search_space": {"depth": {"type": "int", "low": 1, "high": 4}}}, "search_space.depth"),
        ({"data": {"loader": "loading:load"}}, "data.loader"),
        ({"hypermodel": "zoo:Other"}, "hypermodel"),
    ],
)
def test_a_submission_that_means_another_study_says_in_what(other: dict[str, Any], said: str):
    given = {"search_space": {"depth": {"type": "int", "low": 1, "high": 3}}, **other}
    new = hypermodel(**given)

    assert [change.key for change in compare(grown(), new)[1]] == [said]
    assert identity(grown(), "c", None) != identity(new, "c", None)


def test_an_objective_in_place_of_a_hypermodel_is_another_study() -> None:
    new = parse_spec({**MINIMAL, "search_space": {"depth": {"type": "int", "low": 1, "high": 3}}})

    assert {change.key for change in compare(grown(), new)[1]} == {"hypermodel", "objective"}


def test_an_assignment_tells_the_models_own_names_and_definitions() -> None:
    known = {item.name: item for item in known_parameters(grown())}

    assert (known["depth"].source, known["depth"].definition["high"]) == ("depth", 9)
    assert (known["units"].source, known["units"].definition) == ("dense units", UNITS)
    assert [item.source for item in known_parameters(hypermodel(search_space=SPACE))] == [""]
    assert known_parameters(parse_spec(MINIMAL)) == []


def test_a_command_takes_the_folder_of_its_script_along(tmp_path: Path) -> None:
    from tuner.local.submission import make_submission

    (tmp_path / "train.py").write_text("import layers")
    (tmp_path / "layers.py").write_text("")
    (tmp_path / "notes.md").write_text("")
    text = """
project: demo
study: command
command: [python, train.py, --lr, "{lr}"]
metric: {name: loss, goal: minimize}
search_space: {lr: {type: float, low: 0, high: 1}}
budget: {trials: 1}
"""
    spec = tmp_path / "spec.yaml"
    spec.write_text(text)

    assert make_submission(spec, load_settings({"TUNER_HOME": str(tmp_path / "home")})).needed == (
        "layers.py",
        "train.py",
    )
    spec.write_text(text.replace("train.py", "trian.py"))
    with pytest.raises(SpecError, match=r"command\[1\]: 'trian.py': there is no such file in"):
        make_submission(spec, load_settings({"TUNER_HOME": str(tmp_path / "home")}))


def test_a_hypermodels_loader_is_sought_as_its_module_is(tmp_path: Path) -> None:
    from tuner.local.submission import make_submission

    (tmp_path / "zoo.py").write_text("")
    text = """
project: demo
study: hyper
hypermodel: zoo:Net
data: {loader: "loading:load"}
metric: {name: loss, goal: minimize}
budget: {trials: 1}
"""
    spec = tmp_path / "spec.yaml"
    spec.write_text(text)

    with pytest.raises(SpecError, match=r"data.loader: 'loading:load': there is no loading.py"):
        make_submission(spec, load_settings({"TUNER_HOME": str(tmp_path / "home")}))
    (tmp_path / "loading.py").write_text("")
    assert make_submission(spec, load_settings({"TUNER_HOME": str(tmp_path / "home")})).needed == (
        "loading.py",
        "zoo.py",
    )
