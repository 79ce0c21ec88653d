"""Unchanged KerasTuner hypermodels in the process of a trial: discovery, values, training, faults.

All run in one process of their own, because TensorFlow runs operations there.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.hypermodels.cases import BAD, ROOT, bad, guide, run_all

pytestmark = pytest.mark.slow

if importlib.util.find_spec("keras_tuner") is None:
    pytest.skip("needs keras and tensorflow", allow_module_level=True)


def known(name: str, definition: dict[str, Any], source: str = "") -> dict[str, Any]:
    return {"name": name, "source": source, "definition": definition, "value": None}


WHOLE = {"type": "int", "low": 1, "high": 8}
RANGES = [
    known("first", {"type": "int", "low": 8, "high": 16}, "first"),
    known("second", {"type": "int", "low": 1, "high": 16}, "second"),
]
#: What is wrong, and what the trial says of it.
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "raises": (bad("raises"), "ValueError: more than four units do not fit"),
    "no model": (bad("no_model"), "returned None from build.*did you forget to return it"),
    "a number": (bad("a_number"), r"returned 1.0 \(float\) from build.*must return a model"),
    "renames": (
        bad("renames"),
        "names a hyperparameter differently in each call.*needs the same name",
    ),
    "changes range": (bad("changes_range"), "units: its range is not the same in every call"),
    "range by another": (
        bad("range_by_another", known=RANGES, params={"first": 8, "second": 12}),
        "second: its range is not the same in every call of the hypermodel: give it the widest",
    ),
    "float parent": (bad("float_parent"), "rate: a condition on it.*make it a Choice"),
    "huge number": (bad("huge_number"), "seed: 1152921504606846976: a search space holds numbers"),
    "endless": (bad("endless"), "more than 500 hyperparameters, 'flag_500' is one too many"),
    "no result": (bad("Silent"), "fit returned None.*did you forget to return what model.fit"),
    "empty list": (bad("Empty"), "fit returned a list of 0 results"),
    "download": (
        bad("downloads"),
        "URL fetch failure.*cannot reach the network: put the file into",
    ),
    "arguments": (bad("NeedsArguments"), "without arguments .*'classes'.*put an instance into"),
    "other class": (bad("NoHyperModel"), "a class that is not a keras_tuner.HyperModel"),
    "a constant": (bad("number"), r"is 3 \(int\); it must be a subclass"),
    "no such name": (bad("nothing"), "has no 'nothing'; functions there: .*NeedsArguments"),
    "no such module": (
        {"hypermodel": "tests.hypermodels.nowhere:x", "loader": f"{BAD}:data"},
        "there is no module 'tests.hypermodels.nowhere'",
    ),
    "no loader": ({"hypermodel": f"{BAD}:no_model"}, "add data: {loader: module:function}"),
    "loader of nothing": (
        {**bad("off_grid"), "loader": f"{BAD}:no_data"},
        r"data.loader .* returned 1.0 \(float\); it must return the arguments of fit",
    ),
    "no such loader": (
        {**bad("off_grid"), "loader": f"{BAD}:nowhere"},
        "data.loader .*has no 'nowhere'",
    ),
    "beyond the model": (
        bad("raises", params={"units": 2}, known=[known("units", {**WHOLE, "high": 20})]),
        "search_space.units does not fit the model: units: 20: .* from 1 to 8",
    ),
    "not in the model": (
        bad(
            "raises",
            params={"units": 2, "width": 3},
            known=[known("units", WHOLE), known("width", WHOLE)],
        ),
        "search_space.width: the hypermodel has no such hyperparameter; it has: units",
    ),
}
CASES = {
    "kinds": guide("Kinds", None, draw=3),
    "odd": guide("Odd", None, draw=5),
    "nested": guide("nested", draw=11),
    "loop": guide("CustomLoop"),
    "fit": guide("CustomFit", None),
    "averaged": guide("Averaged", draw=2),
    "seeded": guide(
        "nested",
        params={"model_type": "mlp", "layers": 1, "units": 4, "lr": 1e-4},
        known=[
            known("model_type", {"type": "categorical", "values": ["mlp", "wide"]}, "model_type"),
            known(
                "layers",
                {"type": "int", "low": 1, "high": 2, "when": {"model_type": ["mlp"]}},
                "layers",
            ),
            known(
                "units",
                {"type": "int", "low": 4, "high": 16, "step": 4, "when": {"model_type": ["mlp"]}},
                "units",
            ),
            known("lr", {"type": "float", "low": 1e-4, "high": 1e-2, "log": True}, "lr"),
        ],
    ),
    "stopped": guide("nested", word="preempt", again=True),
    "stopped loop": guide("CustomLoop", word="prune"),
    "narrowed": bad(
        "off_grid",
        params={"units": 2},
        known=[known("units", {"type": "ordinal", "values": [2, 3]})],
    ),
    "given in a loop": guide(
        "mlp",
        params={"units_2": 64},
        known=[known("units_2", {"type": "ordinal", "values": [64, 128]})],
    ),
    "off grid": bad("off_grid"),
    "raises elsewhere": bad("raises_under_a_condition"),
    **{name: case for name, (case, _) in FAULTS.items()},
}


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Any]]:
    return run_all(CASES)


def definitions(result: dict[str, Any]) -> dict[str, Any]:
    return {item["name"]: item["definition"] for item in result["found"]}


def values(result: dict[str, Any]) -> dict[str, Any]:
    return {item["name"]: item["value"] for item in result["found"]}


def test_every_kind_of_hyperparameter_is_found_as_keras_tuner_means_it(
    results: dict[str, Any],
) -> None:
    result = results["kinds"]

    assert result["end"]["outcome"] == "complete", result["end"]
    assert definitions(result) == {
        "whole": {"type": "int", "low": -3, "high": 3},
        "stepped": {"type": "int", "low": 6, "high": 12, "step": 3},
        "by_factors": {"type": "ordinal", "values": [2, 4, 8, 16, 32]},
        "log": {"type": "int", "low": 1, "high": 100, "log": True},
        "reversed": {"type": "int", "low": 1, "high": 100, "log": "reverse"},
        "grid": {"type": "float", "low": 0.0, "high": 1.0, "step": 0.2},
        "real": {"type": "float", "low": 0.0, "high": 1.0},
        "decades": {"type": "ordinal", "values": pytest.approx([0.001, 0.01, 0.1, 1, 10])},
        "from_above": {"type": "ordinal", "values": [1.0, 91.0, 100.0]},
        "numbers": {"type": "categorical", "values": [3, 1, 2]},
        "ordered": {"type": "ordinal", "values": [0.5, 0.25]},
        "texts": {"type": "categorical", "values": ["a", "b"]},
        "single": {"type": "fixed", "value": "only"},
        "flag": {"type": "bool"},
        "fixed": {"type": "fixed", "value": 1.5},
        "outer.in_ner.deep": {"type": "int", "low": 1, "high": 2},
        "off": {"type": "int", "low": 1, "high": 4, "when": {"flag": [False]}},
        "late": {"type": "ordinal", "values": [1, 2]},
    }
    used = values(result)
    assert (used["log"], used["grid"], used["texts"], used["flag"]) == (10, 0.6, "b", True)
    assert used["off"] is None, "it is not active with the defaults"


def test_the_model_gets_the_trials_values_under_its_own_names(results: dict[str, Any]) -> None:
    drawn = results["kinds"]["drawn"]
    shown = re.search(r"^values (.*)$", drawn["output"], re.MULTILINE)
    assert shown, drawn

    got = json.loads(shown[1])
    own = {"by_factors": "by factors", "from_above": "from above"}
    own["outer.in_ner.deep"] = "outer/in ner/deep"
    assert got == {own.get(name, name): value for name, value in drawn["params"].items()}
    assert {type(got[name]) for name in ("whole", "log", "numbers")} == {int}
    assert {type(got[name]) for name in ("real", "grid", "decades", "fixed")} == {float}


def test_what_keras_tuner_allows_and_few_expect_is_as_with_keras_tuner(
    results: dict[str, Any],
) -> None:
    result = results["odd"]

    assert result["end"]["outcome"] == "complete", result["end"]
    assert definitions(result) == {
        "declared": {"type": "int", "low": 1, "high": 3},
        "units": {"type": "int", "low": 1, "high": 4},
        "flag": {"type": "ordinal", "values": [1, 0]},
        "with_flag": {"type": "int", "low": 1, "high": 3, "when": {"flag": [1]}},
        "even": {"type": "int", "low": 0, "high": 4, "step": 2},
        "with_even": {"type": "int", "low": 1, "high": 3, "when": {"even": [2, 4]}},
        "late": {"type": "ordinal", "values": [1, 2]},
    }
    drawn = result["drawn"]
    assert (drawn["end"]["outcome"], drawn["found"]) == ("complete", []), drawn


def test_the_space_is_told_before_training_and_what_fit_names_as_it_comes(
    results: dict[str, Any],
) -> None:
    assert results["nested"]["kinds"][:2] == ["found", "point"]
    late = results["fit"]
    assert late["kinds"] == ["found"] * 4 + ["point"]
    expected = {"units": 8, "lr": 1e-4, "batch_size": 8, "shuffle": False, "epochs": 1}
    assert values(late) == expected


def test_one_name_under_two_conditions_is_two_parameters(results: dict[str, Any]) -> None:
    found = {item["name"]: item for item in results["nested"]["found"]}

    assert found["units"]["definition"]["when"] == {"model_type": ["mlp"]}
    assert found["units.wide"]["source"] == "units"
    assert found["units.wide"]["definition"]["when"] == {"model_type": ["wide"]}
    assert found["second_units"]["definition"]["when"] == {"model_type": ["mlp"], "layers": [2]}
    drawn = results["nested"]["drawn"]
    assert drawn["end"]["outcome"] == "complete", drawn["end"]
    assert drawn["found"] == [], "nothing is new in a space that is known"


def test_names_that_differ_by_case_and_choices_that_are_empty_or_numpys_work(
    results: dict[str, Any],
) -> None:
    found = definitions(results["averaged"])

    assert found["Activation"]["values"] == ['""', "softmax"]
    assert found["activation"]["values"] == [1, 0]
    assert found["units_1"] == {"type": "ordinal", "values": [4, 8]}
    assert results["averaged"]["drawn"]["end"]["outcome"] == "complete"


def test_a_list_of_executions_counts_by_its_mean(results: dict[str, Any]) -> None:
    result = results["averaged"]

    best = max(point["value"] for point in result["points"])
    assert result["end"]["values"] == [pytest.approx((best + 0.5) / 2)]


def test_a_loop_of_the_users_own_reports_its_epochs_and_obeys(results: dict[str, Any]) -> None:
    result = results["loop"]

    assert [point["step"] for point in result["points"]] == [1, 2]
    assert result["end"]["values"] == [min(point["value"] for point in result["points"])]
    stopped = results["stopped loop"]
    assert stopped["end"]["outcome"] == "pruned"
    assert "Epoch: 1" in result["output"]
    assert "Epoch: 1" not in stopped["output"], "the loop was left at once"


def test_a_trial_that_looks_for_its_space_first_trains_as_one_that_knows_it(
    results: dict[str, Any],
) -> None:
    first, second = results["nested"], results["seeded"]

    assert "model_type" in values(first), "it was found"
    assert "model_type" not in values(second), "it was known"
    assert first["end"]["metrics"] == second["end"]["metrics"]


def test_a_second_attempt_continues_from_the_checkpoint_of_the_first(
    results: dict[str, Any],
) -> None:
    first = results["stopped"]

    assert (first["end"]["outcome"], first["end"]["cause"]) == ("failed", "preempted")
    second = first["again"]
    assert second["end"]["outcome"] == "complete", second["end"]
    assert [point["step"] for point in first["points"]] == [1]
    assert [point["step"] for point in second["points"]] == [2], "it began where the first stopped"


def test_a_given_definition_counts_and_is_reported_with_the_models_own(
    results: dict[str, Any],
) -> None:
    result = results["narrowed"]

    assert result["end"]["outcome"] == "complete", result["end"]
    units = next(item for item in result["found"] if item["name"] == "units")
    assert units["definition"] == {"type": "int", "low": 2, "high": 10, "step": 4}
    assert (units["source"], units["value"]) == ("units", 2)


def test_a_given_parameter_of_a_larger_model_is_looked_for_before_it_is_refused(
    results: dict[str, Any],
) -> None:
    result = results["given in a loop"]

    assert result["end"]["outcome"] == "complete", result["end"]
    assert values(result)["num_layers"] == 1, "the trial itself has the defaults"
    assert values(result)["units_2"] is None
    assert definitions(result)["units_2"] == {"type": "int", "low": 32, "high": 512, "step": 32}


def test_a_default_beside_the_grid_becomes_the_nearest_value(results: dict[str, Any]) -> None:
    assert values(results["off grid"]) == {"units": 6, "one": 1.0, "wide_step": 0.0}


def test_a_condition_that_does_not_build_costs_only_what_comes_after_it(
    results: dict[str, Any],
) -> None:
    result = results["raises elsewhere"]

    assert result["end"]["outcome"] == "complete", result["end"]
    assert set(definitions(result)) == {"kind", "units"}
    assert "cannot be built with kind = 'bad'" in result["output"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_the_trial_with_a_sentence_that_says_what_to_do(
    results: dict[str, Any], fault: str
) -> None:
    end = results[fault]["end"]

    assert (end["outcome"], end["cause"]) == ("failed", "error")
    assert re.search(FAULTS[fault][1], end["error"].splitlines()[-1]), end["error"]


def test_nothing_is_told_of_a_model_whose_names_or_ranges_change(results: dict[str, Any]) -> None:
    assert results["renames"]["found"] == results["changes range"]["found"] == []
    assert results["endless"]["found"] == []
    # What the user's own code raises is a result: the values that do not build are known then.
    assert values(results["raises"]) == {"units": 8}


def test_the_private_methods_of_keras_tuner_that_the_bridge_uses_are_there() -> None:
    spec = importlib.util.find_spec("keras_tuner")
    assert spec is not None
    assert spec.origin is not None
    engine = Path(spec.origin).parent / "src" / "engine"
    container = _methods(engine / "hyperparameters" / "hyperparameters.py", "HyperParameters")

    assert container["_register"] == ["self", "hyperparameter", "overwrite"]
    assert container["_conditions_are_active"] == ["self", "conditions"]
    assert container["_validate_name"] == ["self", "name"]
    assert container["conditional_scope"] == ["self", "parent_name", "parent_values"]
    assert container["Choice"][:3] == ["self", "name", "values"]
    text = (engine / "hyperparameters" / "hyperparameters.py").read_text("utf-8")
    assert "self.active_scopes.append(" in text
    assert "self.inactive_scopes.append(" in text
    assert "_activate_all_conditions" in _methods(engine / "base_tuner.py", "BaseTuner")
    lock = (ROOT / "requirements-worker-cpu.lock").read_text("utf-8")
    assert "keras-tuner==1.4.8" in lock, "look at the bridge before you move on"


def _methods(path: Path, name: str) -> dict[str, list[str]]:
    tree = ast.parse(path.read_text("utf-8"))
    found = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    functions = (node for node in found.body if isinstance(node, ast.FunctionDef))
    return {node.name: [argument.arg for argument in node.args.args] for node in functions}
