"""What has a counterpart comes back the same: a space as another tool's file, and a spec of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.space_strategies import choose, spaces
from tuner.convert import convert
from tuner.space import Parameter, SearchSpace
from tuner.space.definition import to_json
from tuner.space.kerastuner import to_kerastuner
from tuner.space.value import is_number
from tuner.spec import parse_spec
from tuner.spec.reading.yaml12 import parse_document

#: A tool's file of a space; None for a parameter that the tool cannot express.
Writer = Callable[[SearchSpace], Any]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("round") / "file"


def through(file: Path, document: Any) -> tuple[SearchSpace, list[str]]:
    """Return the space of the spec of a document, and what was lost."""
    file.write_text(json.dumps(document))
    converted = convert(str(file))
    spec = parse_spec(parse_document(converted.text, "converted").data)
    return spec.space, [n.text for n in converted.notes if n.kind == "lost"]


def plain(space: SearchSpace) -> SearchSpace:
    """Return the space as every tool can write it: without conditions, each kind in one form."""
    found = {}
    for parameter in space.parameters:
        definition = to_json(replace(parameter, when=()))
        found[parameter.name] = _canonical(parameter, definition)
    return SearchSpace.from_json({"parameters": found})


def _canonical(parameter: Parameter, definition: dict[str, Any]) -> dict[str, Any]:
    if parameter.size == 1:
        return {"type": "fixed", "value": parameter.at(0)}
    if parameter.values:
        values = list(parameter.values)
        is_rising = all(map(is_number, values)) and sorted(values) == values
        if len(values) == 2 and all(isinstance(value, bool) for value in values):
            return {"type": "bool"}
        return {
            "type": "ordinal" if is_rising and len(values) > 2 else "categorical",
            "values": values,
        }
    if definition.get("step") == 1 and parameter.kind == "int":
        del definition["step"]
    return definition


def sweep(space: SearchSpace) -> Any:
    parameters: dict[str, Any] = {}
    for parameter in space.parameters:
        match parameter:
            case Parameter(kind="fixed"):
                parameters[parameter.name] = {"value": parameter.value}
            case Parameter(kind="int" | "float"):
                low, high = parameter.bounds
                name = "uniform" if parameter.kind == "float" else "int_uniform"
                if parameter.log:
                    name = (
                        "log_uniform_values"
                        if parameter.kind == "float"
                        else "q_log_uniform_values"
                    )
                elif parameter.step is not None:
                    name = "q_uniform"
                item = {"distribution": name, "min": low, "max": high}
                parameters[parameter.name] = item | (
                    {"q": parameter.step} if parameter.step else {}
                )
            case _:
                parameters[parameter.name] = {"values": list(parameter.values)}
    return {"method": "bayes", "parameters": parameters}


def experiment(space: SearchSpace) -> Any:
    parameters: list[Any] = []
    for parameter in space.parameters:
        if parameter.kind in ("int", "float"):
            low, high = parameter.bounds
            feasible: dict[str, Any] = {"min": repr(low), "max": repr(high)}
            feasible |= {"step": repr(parameter.step)} if parameter.step is not None else {}
            feasible |= {"distribution": "logUniform"} if parameter.log else {}
            kind = "int" if parameter.kind == "int" else "double"
        else:
            listed = list(parameter.values) or [parameter.value]
            kind, feasible = "categorical", {"list": listed}
        item = {"name": parameter.name, "parameterType": kind, "feasibleSpace": feasible}
        parameters.append(item)
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "spec": {"parameters": parameters},
    }


def ray(space: SearchSpace) -> Any:
    found: dict[str, Any] = {"never": {"grid_search": [1, 2]}}
    for parameter in space.parameters:
        if parameter.kind == "fixed":
            found[parameter.name] = parameter.value
        elif parameter.values:
            found[parameter.name] = {
                "type": "Categorical",
                "categories": list(parameter.values),
                "sampler": {"type": "_Uniform"},
            }
        else:
            low, high = parameter.bounds
            sampler: Any = {"type": "_LogUniform" if parameter.log else "_Uniform"}
            whole = parameter.kind == "int"
            if parameter.step is not None and parameter.step != 1:
                sampler = {"type": "Quantized", "sampler": sampler, "q": parameter.step}
            elif whole:
                high += 1
            found[parameter.name] = {
                "type": "Integer" if whole else "Float",
                "lower": low,
                "upper": high,
                "sampler": sampler,
            }
    return found


def starts_at_a_multiple(parameter: Parameter) -> bool:
    """Whether the values with a step are its multiples, as W&B's and Ray's are."""
    if parameter.step is None:
        return True
    low = float(parameter.bounds[0]) / float(parameter.step)
    return math.isclose(low, round(low), abs_tol=1e-12)


def is_sayable(space: SearchSpace, *, multiples: bool) -> bool:
    return all(
        parameter.log != "reverse" and (not multiples or starts_at_a_multiple(parameter))
        for parameter in space.parameters
    )


@pytest.mark.parametrize(
    ("write", "multiples"), [(sweep, True), (experiment, False), (ray, True)],
    ids=["wandb", "katib", "ray"],
)  # fmt: skip
@settings(max_examples=25)
@given(space=spaces())
def test_a_space_comes_back_from_a_tools_file(
    file: Path, write: Writer, multiples: bool, space: SearchSpace
) -> None:
    flat = plain(space)
    assume(is_sayable(flat, multiples=multiples))

    back, lost = through(file, write(flat))

    expected = flat.to_json()["parameters"]
    found = back.to_json()["parameters"]
    found.pop("never", None)
    assert found == expected
    assert [text for text in lost if "grid_search" not in text] == []


@settings(max_examples=25)
@given(space=spaces())
def test_a_space_with_conditions_comes_back_from_a_kerastuner_project(
    file: Path, space: SearchSpace
) -> None:
    try:
        config = to_kerastuner(space)
    except ValueError:
        return  # it says which parameter: see test_space_kerastuner.py
    back, lost = through(file, {"hyperparameters": config})

    assert [(p.name, p.size, p.when) for p in back.parameters] == [
        (p.name, p.size, p.when) for p in space.parameters if p.name not in space.unreachable
    ]
    assert [text.partition(":")[0] for text in lost] == list(space.unreachable)


@settings(max_examples=15)
@given(space=spaces(), seed=st.integers(0, 2**32 - 1))
def test_a_study_of_optuna_holds_all_that_its_trials_had(
    tmp_path_factory: pytest.TempPathFactory, space: SearchSpace, seed: int
) -> None:
    import optuna

    from tuner.space.optuna import distribution, to_optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = tmp_path_factory.mktemp("optuna") / "log"
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name="s")
    drawn = [space.walk(choose(seed + number)) for number in range(8)]
    tuned = {p.name for p in space.parameters if p.kind != "fixed"}
    assume(any(tuned & params.keys() for params in drawn))
    for params in drawn:
        kept = {name: to_optuna(space[name], v) for name, v in params.items() if name in tuned}
        dists = {name: distribution(space[name]) for name in kept}
        study.add_trial(optuna.trial.create_trial(params=kept, distributions=dists, value=1.0))

    converted = convert(str(path))
    spec = parse_spec(parse_document(converted.text, "converted").data)
    # Where no choice of another tells when a parameter is there, the comment says so.
    untold = {note.place.partition(".")[2] for note in converted.notes if note.kind == "lost"}

    for params in drawn:
        kept = {name: to_optuna(space[name], v) for name, v in params.items() if name in tuned}
        problems = spec.space.problems(spec.space.complete_fixed(kept))
        # Each trial is one of the new space, conditions that were told by them included.
        assert [text for text in problems if text.partition(":")[0] not in untold] == []
