"""The preflight of `tuner check`: what is built, what limits hold, and how faults are told."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tuner.cli.preflight.cost import estimate_cost
from tuner.cli.preflight.looking import advise_found, offers_models
from tuner.cli.preflight.probes import MAX_CORNERS, Probe, choose_probes
from tuner.cli.preflight.regions import find_regions
from tuner.cli.preflight.report import describe, show, warn
from tuner.cli.preflight.running import Seen
from tuner.cli.render import output
from tuner.errors import SpecError
from tuner.protocol import Assignment
from tuner.space import SearchSpace
from tuner.spec import StudySpec, parse_spec

SPACE: dict[str, Any] = {
    "model.layers": {"type": "int", "low": 1, "high": 4},
    "train.optimizer": {"type": "categorical", "values": ["adam", "sgd"]},
    "train.momentum": {
        "type": "float",
        "low": 0.0,
        "high": 0.9,
        "when": {"train.optimizer": ["sgd"]},
    },
    "train.rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
}


def spec_of(**changes: Any) -> StudySpec:
    return parse_spec(
        {
            "project": "demo",
            "study": "one",
            "objective": "objectives:train",
            "metric": {"name": "score", "goal": "maximize"},
            "search_space": SPACE,
            "budget": {"trials": 40},
            **changes,
        }
    )


def space_of(parameters: dict[str, Any], forbid: list[dict[str, Any]] | None = None) -> SearchSpace:
    return SearchSpace.from_json({"parameters": parameters, "forbid": forbid or []})


# What is built.


def test_a_small_space_has_all_its_corners_and_the_random_ones_are_always_the_same() -> None:
    space = space_of(SPACE)
    probes = choose_probes(space, 20)
    corners = [probe.params for probe in probes if probe.kind == "corner"]

    assert len(corners) == 12, "of the 16, four differ in nothing: adam has no momentum"
    assert {params["model.layers"] for params in corners} == {1, 4}
    assert {params["train.rate"] for params in corners} == {1e-4, 1e-1}
    assert len(probes) == len(corners) + 20
    assert [probe.params for probe in choose_probes(space, 20)] == [p.params for p in probes]
    assert all(space.problems(probe.params) == [] for probe in probes)


def test_of_many_parameters_the_lowest_the_highest_and_some_mixtures_are_corners() -> None:
    space = space_of({f"p.x{n}": {"type": "float", "low": 0, "high": 1} for n in range(30)})
    corners = [probe.params for probe in choose_probes(space, 0)]

    assert len(corners) == MAX_CORNERS
    assert set(corners[0].values()) == {0.0}
    assert set(corners[1].values()) == {1.0}


def test_forbidden_and_repeated_configurations_are_not_built() -> None:
    parameters = {"a.b": {"type": "bool"}, "a.c": {"type": "bool"}}
    probes = choose_probes(space_of(parameters, [{"a.b": True}]), 20)

    assert sorted(tuple(p.params.values()) for p in probes) == [(False, False), (False, True)]
    assert [probe.params for probe in choose_probes(space_of({}), 20)] == [{}]


def test_models_are_offered_by_a_hypermodel_or_by_build_beside_the_objective(
    tmp_path: Path,
) -> None:
    assert not offers_models(spec_of(), tmp_path)
    (tmp_path / "objectives.py").write_text("def train(run): ...\n")
    assert not offers_models(spec_of(), tmp_path)
    (tmp_path / "objectives.py").write_text("def build(params: dict) -> object: ...\n")
    assert offers_models(spec_of(), tmp_path)
    assert not offers_models(spec_of(), None), "the image has the code"
    hyper = spec_of(objective=None, hypermodel="objectives:build", search_space=None)
    assert offers_models(hyper, tmp_path)


# Faults.


def test_faults_are_told_as_the_simplest_region_that_no_sound_configuration_is_in() -> None:
    points = [
        {"layers": layers, "pool": pool, "act": act}
        for layers in (1, 2, 3, 4)
        for pool in (2, 3)
        for act in ("relu", "tanh")
    ]
    bad = [p["layers"] == 4 or (p["layers"] == 3 and p["pool"] == 3) for p in points]
    failed = [index for index, is_bad in enumerate(bad) if is_bad]
    sound = [point for point, is_bad in zip(points, bad, strict=True) if not is_bad]
    regions, rest = find_regions(points, failed, sound)

    assert [str(region) for region in regions] == ["layers ≥ 4", "layers ≥ 3 and pool ≥ 3"]
    assert [len(region.failed) for region in regions] == [4, 2]
    assert rest == []


def test_a_single_fault_is_no_region() -> None:
    points = [{"x": 1.0}, {"x": 2.0}, {"x": 3.0}]

    assert find_regions(points, [2], points[:2]) == ([], [2])


def test_a_choice_or_an_inactive_parameter_can_make_a_region() -> None:
    points: list[dict[str, Any]] = [
        {"opt": "sgd", "mom": 0.1},
        {"opt": "sgd", "mom": 0.9},
        {"opt": "adam"},
    ]
    regions, _ = find_regions(points, [0, 1], points[2:])

    assert str(regions[0]) in ("opt = sgd", "mom ≥ 0.1", "mom ≤ 0.9")


def test_the_same_fault_with_other_numbers_is_told_once_with_its_place() -> None:
    probes = [Probe(kind="random", params={"layers": n}) for n in (1, 2, 3, 4, 5)]
    built = {
        index: {"ok": True, "parameters": 10 * (index + 1), "bytes": 100}
        if index < 3
        else {"ok": False, "cause": "error", "error": f"Traceback\nValueError: shape ({index}, 8)"}
        for index in range(5)
    }
    document = describe(probes, Seen(built=built, timed={}), None)

    assert document["parameters"] == {"min": 10, "median": 20, "max": 30}
    (failure,) = document["failed"]
    assert failure["regions"] == [{"where": ["layers ≥ 4"], "count": 2}]
    first, advice = warn(document)
    assert first == (
        "2 of 5 configurations have no model, always with layers ≥ 4 (2 of 2): "
        "ValueError: shape (3, 8)"
    )
    assert "teaches the sampler" in advice
    console = Console(file=io.StringIO(), width=200, theme=output._THEME)
    show(console, document)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert "builds 3 of 5 configurations: 0 corners of the space, 5 random" in said
    assert "parameters  10 to 30, median 20" in said


def test_what_was_not_built_in_time_is_said() -> None:
    probes = [Probe(kind="random", params={"x": n}) for n in range(3)]
    built = {0: {"ok": True, "parameters": 1, "bytes": 1}}

    assert warn(describe(probes, Seen(built=built, timed={}), None)) == [
        "2 of 3 configurations were not built in time"
    ]


# Cost.

STEP = {"build_s": 1.0, "first_s": 2.0, "step_s": 0.1, "steps": 100, "epochs": 10}
REPORTED = {"ok": True, "reported": True, "seconds": 5.0}


def test_the_cost_follows_from_steps_epochs_trials_and_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tuner.cli.preflight.cost.default_workers", lambda spec: 4)
    cost = estimate_cost(spec_of(trial={"gpus": 2}), [STEP], REPORTED)

    assert cost is not None
    assert cost["trial_s"] == 103.0
    assert cost["hours"] == round(40 * 103 / 4 / 3600, 4)
    assert cost["gpu_hours"] == round(40 * 103 * 2 / 3600, 4)
    assert "100 ms a step, 100 steps an epoch, 10 epochs" in cost["basis"]


def test_the_limits_of_trial_and_budget_hold_in_the_estimate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tuner.cli.preflight.cost.default_workers", lambda spec: 1)
    limited = spec_of(trial={"timeout": 50}, budget={"trials": 1000, "hours": 1})
    cost = estimate_cost(limited, [STEP], REPORTED)

    assert cost is not None
    assert (cost["trial_s"], cost["trials"], cost["hours"]) == (50.0, 72, 1.0)
    assert "budget.hours ends the study after about 72 trials" in cost["basis"]


def test_without_timed_steps_only_a_whole_trial_says_what_the_budget_costs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_gpus(spec: StudySpec) -> int:
        raise SpecError("no GPU here")

    monkeypatch.setattr("tuner.cli.preflight.cost.default_workers", no_gpus)
    unknown = {**STEP, "steps": None}
    whole = {"ok": True, "reported": False, "seconds": 9.0}

    assert estimate_cost(spec_of(), [unknown], REPORTED) is None
    cost = estimate_cost(spec_of(parallel=3), [unknown], whole)
    assert cost is not None
    assert (cost["trial_s"], cost["workers"]) == (9.0, 3)


def test_a_training_that_passes_no_callbacks_on_is_timed_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tuner.cli.preflight.cost.default_workers", lambda spec: 2)
    cost = estimate_cost(spec_of(), [{"whole_s": 90.0}], REPORTED)

    assert cost is not None
    assert (cost["trial_s"], cost["hours"]) == (90.0, 0.5)


def test_abbreviations_of_a_hypermodel_are_named_unless_the_spec_has_them_too() -> None:
    trial = {"found": [{"name": "lr"}, {"name": "train.rate"}, {"name": "units"}]}

    assert advise_found(spec_of(), trial) == [
        "hypermodel: lr: an abbreviation; better train.learning_rate"
    ]


# Limits.

MODULE = """
import os, time
class Model:
    def __init__(self, count): self.count, self.weights, self.trainable_weights = count, [], []
    def count_params(self): return self.count
def train(run): ...
def build(params):
    case = params["case"]
    print("noise", flush=True)
    if case == "raises": raise ValueError("no such layer")
    if case == "exits": os._exit(3)
    if case == "hangs": time.sleep(60)
    if case == "hogs": hog = b"1" * 400_000_000; time.sleep(60)
    if case == "none": return None
    return Model(len(case))
"""


def preflight(folder: Path, cases: list[str], module: str = MODULE) -> list[dict[str, Any]]:
    """Return what is said of models that are built in a process of their own."""
    (folder / "models.py").write_text(module)
    assignment = Assignment(
        attempt="check",
        study="demo/one",
        trial=0,
        attempt_no=1,
        params={},
        seed=0,
        objective="models:train",
        metrics=[{"name": "score", "goal": "maximize"}],
        run_dir="check",
        checkpoint_dir="check",
    )
    request = {
        "assignment": assignment.to_json(),
        "code_root": str(folder),
        "points": [{"case": case} for case in cases],
        "timed": [],
        "point_s": 4.0,
        "total_s": 120.0,
        "memory_bytes": 250_000_000,
    }
    # In a process of its own, which ends all that it did not start itself.
    done = ask(json.dumps(request))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers", "preflight"],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_configuration_that_fails_hangs_or_hogs_costs_itself_and_no_other(
    tmp_path: Path,
) -> None:
    cases = ["fine", "raises", "none", "exits", "hangs", "hogs", "well"]
    *built, end = preflight(tmp_path, cases)

    assert [row["point"] for row in built] == list(range(7))
    assert [row["ok"] for row in built] == [True, *[False] * 5, True]
    assert [row.get("cause") for row in built[1:6]] == [
        "error", "error", "crash", "time", "memory"
    ]  # fmt: skip
    assert [built[0]["parameters"], built[6]["parameters"]] == [4, 4]
    assert built[1]["error"].endswith("ValueError: no such layer")
    assert "did you forget to return the model" in built[2]["error"]
    assert built[3]["error"].endswith("it ended its process, with status 3")
    assert built[4]["error"] == "it took more than 4 s"
    assert built[5]["error"] == "it took more than 0.2 GB of memory"
    assert end["kind"] == "end"


def test_a_module_that_cannot_be_imported_or_has_no_models_is_said_once(tmp_path: Path) -> None:
    broken, end = preflight(tmp_path, ["fine"], "raise RuntimeError('no data here')")
    assert broken["error"].endswith("RuntimeError: no data here")
    assert end["kind"] == "end"
    (tmp_path / "other").mkdir()
    nothing, _ = preflight(tmp_path / "other", ["fine"], "def train(run): ...")
    assert nothing["why"] == "models has no function build(params) that returns the model"


def test_what_is_no_request_is_refused() -> None:
    done = ask('{"assignment": {}}')

    assert done.returncode == 2
    assert "preflight: the input is not a request" in done.stderr
