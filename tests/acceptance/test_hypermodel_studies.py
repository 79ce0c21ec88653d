"""Studies of unchanged hypermodels from end to end: `tuner run` with a spec of six lines."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.home import Home, open_home
from tests.hypermodels.cases import ROOT
from tests.support.needed import needs
from tuner.roots import Place
from tuner.tfevents import read_run

pytestmark = [pytest.mark.slow, needs("tensorflow", "keras_tuner")]

SPEC = """
project: demo
study: {study}
hypermodel: models:{name}
metric: {{name: val_accuracy, goal: maximize}}
sampler: {{name: random, seed: 1}}
budget: {{trials: {trials}}}
{more}
"""
RUN_S = 300.0


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path) as home:
        shutil.copy(ROOT / "tests" / "hypermodels" / "guides.py", home.work / "models.py")
        yield home


def write_spec(home: Home, study: str, name: str, trials: int, more: str = "") -> None:
    home.write(f"{study}.yaml", SPEC.format(study=study, name=name, trials=trials, more=more))


def trials_of(home: Home, study: str) -> list[dict[str, Any]]:
    trials: list[dict[str, Any]] = home.json("best", f"demo/{study}", "--all", "-n", "100")
    return sorted(trials, key=lambda trial: trial["trial"])


def test_a_study_finds_its_space_and_searches_it_on_two_workers(home: Home) -> None:
    write_spec(home, "nested", "nested", 8, "data: {loader: models:table}")

    home.ok("run", "nested.yaml", "--workers", "2", timeout_s=RUN_S)

    trials = trials_of(home, "nested")
    assert [trial["state"] for trial in trials] == ["COMPLETE"] * 8
    assert trials[0]["params"] == {"model_type": "mlp", "layers": 1, "units": 4, "lr": 1e-4}
    kinds = {trial["params"]["model_type"] for trial in trials}
    assert kinds == {"mlp", "wide"}
    for trial in trials:
        params = trial["params"]
        assert ("units.wide" in params) == (params["model_type"] == "wide")
        assert ("second_units" in params) == (params.get("layers") == 2)
        folder = home.logs / trial["run_dir"]
        config = json.loads((folder / "config.json").read_text())
        assert config["params"] == params
        assert read_run(Place(folder))["hparams"] == params
    assert "8 come out the same" in home.ok("replay", "demo/nested").out


def test_what_only_fit_names_is_recorded_at_once_and_searched_from_the_next_trial_on(
    home: Home,
) -> None:
    space = "search_space: {units: {type: fixed, value: 16}}"
    write_spec(home, "late", "CustomFit", 5, space)

    home.ok("run", "late.yaml", timeout_s=RUN_S)

    trials = trials_of(home, "late")
    names = {"units", "lr", "batch_size", "shuffle", "epochs"}
    assert [set(trial["params"]) for trial in trials] == [names] * 5
    assert {trial["params"]["units"] for trial in trials} == {16}, "what is given counts"
    first = trials[0]["params"]
    assert (first["batch_size"], first["shuffle"], first["epochs"]) == (8, False, 1)
    assert len({json.dumps(trial["params"], sort_keys=True) for trial in trials}) == 5
    events = home.ok("show", "demo/late", 0).out
    assert re.search("found . parameters? of the hypermodel: .*epochs", events), events


def test_a_given_parameter_that_the_model_lacks_pauses_the_study_with_its_name(home: Home) -> None:
    space = "search_space: {width: {type: int, low: 1, high: 4}}"
    write_spec(home, "wrong", "nested", 5, f"data: {{loader: models:table}}\n{space}")

    done = home.run("run", "wrong.yaml", timeout_s=RUN_S)

    assert done.code == 1
    assert "search_space.width: the hypermodel has no such hyperparameter; it has: model_type" in (
        done.text
    )
    assert home.json("status", "demo/wrong")["state"] == "paused"
