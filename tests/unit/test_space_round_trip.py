"""One space on four sides: ours, KerasTuner's, Optuna's, HParams'. What one draws, all accept.

KerasTuner itself takes part in the slow test; the fast ones go by what it writes and by its rules.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import optuna
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tensorboard.plugins.hparams import api_pb2

from tests.unit.space_strategies import choose, spaces
from tuner.space import Parameter, SearchSpace
from tuner.space.definition import to_json
from tuner.space.hparams import from_hparam_info, hparam_info
from tuner.space.kerastuner import from_kerastuner, to_kerastuner
from tuner.space.optuna import distribution, from_distribution, from_optuna, to_optuna
from tuner.space.value import is_number, is_same
from tuner.tfevents.hparams import is_text, text_of

SEEDS = st.integers(0, 2**32 - 1)


def tuned(space: SearchSpace, params: Mapping[str, Any]) -> Iterator[tuple[Parameter, Any]]:
    for name, value in params.items():
        if space[name].kind != "fixed":
            yield space[name], value


def is_mixed(parameter: Parameter) -> bool:
    """Whether a list mixes texts, numbers and truths, which KerasTuner's Choice refuses."""
    return len({float if type(v) is int else type(v) for v in parameter.values}) > 1


def optuna_accepts(parameter: Parameter, value: Any) -> bool:
    dist = distribution(parameter)
    return bool(dist._contains(dist.to_internal_repr(to_optuna(parameter, value))))


def hparams_accepts(parameter: Parameter, value: Any) -> bool:
    """Whether a column's domain holds a value, as TensorBoard filters by it."""
    info = hparam_info(parameter)
    if info.HasField("domain_interval"):
        return bool(info.domain_interval.min_value <= value <= info.domain_interval.max_value)
    listed = [_plain(item) for item in info.domain_discrete.values]
    ends = parameter.values or (parameter.at(0),)
    shown = text_of(value, ends) if is_text(ends) else value
    return any(is_same(item, shown) for item in listed)


def _plain(value: Any) -> Any:
    return getattr(value, value.WhichOneof("kind"))


def kerastuner_accepts(item: Mapping[str, Any], value: Any) -> bool:
    """Whether a hyperparameter, as KerasTuner keeps it, can have a value; by its documentation."""
    settings = item["config"]
    match item["class_name"]:
        case "Fixed":
            return is_same(settings["value"], value)
        case "Boolean":
            return isinstance(value, bool)
        case "Choice":
            return any(is_same(choice, value) for choice in settings["values"])
    low, high, step = settings["min_value"], settings["max_value"], settings["step"]
    if not is_number(value) or not low <= value <= high:
        return False
    if item["class_name"] == "Int" and value != int(value):
        return False
    if step is None:
        return True
    count = (value - low) / step
    return math.isclose(count, round(count), abs_tol=1e-6)


@given(space=spaces(), seed=SEEDS)
def test_what_our_space_draws_the_others_accept(space: SearchSpace, seed: int) -> None:
    params = space.walk(choose(seed))

    for parameter, value in tuned(space, params):
        assert optuna_accepts(parameter, value)
        assert hparams_accepts(parameter, value)
    if not any(map(is_mixed, space.parameters)):
        items = {item["config"]["name"]: item for item in to_kerastuner(space)["space"]}
        for name, value in params.items():
            assert kerastuner_accepts(items[name], value), name


@given(space=spaces(), seed=SEEDS)
def test_what_optuna_draws_the_others_accept(space: SearchSpace, seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.RandomSampler(seed=seed)
    trial = optuna.create_study(sampler=sampler).ask()

    params = space.walk(
        lambda parameter: from_optuna(
            parameter, trial._suggest(parameter.name, distribution(parameter))
        )
    )

    assert space.problems(params) == []
    for parameter, value in tuned(space, params):
        assert hparams_accepts(parameter, value)
    if not any(map(is_mixed, space.parameters)):
        items = {item["config"]["name"]: item for item in to_kerastuner(space)["space"]}
        assert all(kerastuner_accepts(items[name], value) for name, value in params.items())


def kerastuner_draw(item: Mapping[str, Any], source: random.Random) -> Any:
    """Return a value of a hyperparameter, of all that KerasTuner may draw, as it lays them out."""
    settings = item["config"]
    match item["class_name"]:
        case "Fixed":
            return settings["value"]
        case "Boolean":
            return source.choice([False, True])
        case "Choice":
            return source.choice(settings["values"])
    low, high, step = settings["min_value"], settings["max_value"], settings["step"]
    whole, sampling = item["class_name"] == "Int", settings.get("sampling") or "linear"
    if step is None:
        share = source.random()
        value = low + share * (high - low)
        if sampling == "log":
            value = low * (high / low) ** share
        elif sampling == "reverse_log":
            value = high + low - low * (high / low) ** (1 - share)
        value = min(max(value, low), high)
    elif sampling == "linear":
        value = low + step * source.randrange(int((high - low) / step + 1e-8) + 1)
    else:
        value = low * step ** source.randrange(int(math.log(high / low, step) + 1e-8) + 1)
        value = high + low - value if sampling == "reverse_log" else value
    return int(value) if whole else float(value)


@st.composite
def hyperparameters(draw: st.DrawFn) -> dict[str, Any]:
    """Return a hyperparameter of any kind, as KerasTuner writes it."""
    kind = draw(st.sampled_from(["Int", "Float", "Choice", "Boolean", "Fixed"]))
    config: dict[str, Any] = {"name": "x", "conditions": []}
    if kind == "Boolean":
        return {"class_name": kind, "config": {**config, "default": False}}
    if kind == "Fixed":
        value = draw(st.one_of(st.integers(-9, 9), st.booleans(), st.sampled_from(["a", "relu"])))
        return {"class_name": kind, "config": {**config, "value": value}}
    if kind == "Choice":
        values = draw(
            st.one_of(
                st.lists(st.integers(-99, 99), min_size=1, max_size=5, unique=True),
                st.lists(st.floats(-9, 9), min_size=1, max_size=5, unique=True),
                st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5, unique=True),
            )
        )
        ordered = draw(st.booleans()) and not isinstance(values[0], str)
        listed = {"values": values, "ordered": ordered, "default": values[0]}
        return {"class_name": kind, "config": {**config, **listed}}
    sampling = draw(st.sampled_from([None, "linear", "log", "reverse_log"]))
    whole = kind == "Int"
    low = draw(st.integers(1, 50)) if whole else draw(st.integers(1, 500)) / 100
    high = low + (draw(st.integers(1, 500)) if whole else draw(st.integers(1, 500)) / 10)
    step: Any = None
    if sampling in ("log", "reverse_log"):
        step = draw(st.sampled_from([None, 2, 3, 10] if whole else [None, 1.5, 2.0, 10.0]))
    else:
        step = draw(st.integers(1, 9)) if whole else draw(st.sampled_from([None, 0.1, 0.25]))
    ranged = {"min_value": low, "max_value": high, "step": step, "sampling": sampling}
    return {"class_name": kind, "config": {**config, **ranged, "default": low}}


@given(item=hyperparameters(), seed=SEEDS)
def test_what_kerastuner_draws_the_others_accept(item: dict[str, Any], seed: int) -> None:
    space, notes = from_kerastuner({"space": [item]})
    value = kerastuner_draw(item, random.Random(seed))

    assert notes == []
    assert space.problems({"x": value}) == []
    parameter = space["x"]
    found = parameter.canonical(value)
    assert hparams_accepts(parameter, found)
    assert parameter.size == 1 or optuna_accepts(parameter, found)


@given(item=hyperparameters(), seed=SEEDS)
def test_what_we_draw_of_a_hyperparameter_kerastuner_accepts(
    item: dict[str, Any], seed: int
) -> None:
    space, _ = from_kerastuner({"space": [item]})
    value = space.walk(choose(seed))["x"]
    settings = item["config"]

    if settings.get("sampling") in ("log", "reverse_log") and settings["step"] is not None:
        drawn = {kerastuner_draw(item, random.Random(number)) for number in range(300)}
        assert any(value == pytest.approx(other) for other in drawn)
    else:
        assert kerastuner_accepts(item, value)


@given(space=spaces(), seed=SEEDS)
def test_what_a_column_of_others_allows_its_space_draws_and_no_more(
    space: SearchSpace, seed: int
) -> None:
    """A column that others declare says less: an interval, or a list; then that is the space."""
    for parameter, value in tuned(space, space.walk(choose(seed))):
        info = hparam_info(parameter)
        info.description = "what somebody else would write here"
        if not info.WhichOneof("domain"):
            continue
        read = from_hparam_info(api_pb2.HParamInfo.FromString(info.SerializeToString()))
        drawn = SearchSpace((read,)).walk(choose(seed))[parameter.name]

        ends = parameter.values or parameter.bounds
        assert read.find(text_of(value, ends) if is_text(ends) else value) is not None
        assert hparams_accepts(replace(read, name=parameter.name), drawn)


@given(spaces())
def test_a_space_that_optuna_holds_comes_back_by_its_distributions(space: SearchSpace) -> None:
    for parameter in space.parameters:
        if parameter.kind in ("fixed", "ordinal") or parameter.size == 1:
            continue
        if parameter.log == "reverse":
            continue  # Optuna's is the linear one: the values are the same
        back = from_distribution(parameter.name, distribution(parameter))
        assert back.size == parameter.size
        assume(parameter.size is None or parameter.size < 2000)
        if parameter.size is None:
            assert (back.bounds, back.log) == (parameter.bounds, parameter.log)
        else:
            assert [back.at(i) for i in range(parameter.size)] == [
                parameter.at(i) for i in range(parameter.size)
            ]


@pytest.mark.parametrize(
    ("convert", "named"),
    [
        (lambda: to_kerastuner(_one(type="categorical", values=["a", 1])), "p: KerasTuner's Ch"),
        (lambda: to_kerastuner(_one(type="ordinal", values=[True, 2])), "p: KerasTuner's Ch"),
        (lambda: distribution(_one(type="fixed", value=1)["p"]), "p: a fixed parameter"),
        (lambda: from_distribution("p", optuna.distributions.CategoricalDistribution((None, 1))),
         "p: the choice None"),
        (lambda: from_hparam_info(api_pb2.HParamInfo(name="p")), r"p\.values: \[\]"),
    ],
)  # fmt: skip
def test_what_a_side_cannot_express_is_refused_by_name(convert: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        convert()


def _one(**definition: Any) -> SearchSpace:
    return SearchSpace.from_json({"parameters": {"p": definition}})


#: Reads spaces, says what KerasTuner takes of the values given and what it draws by itself.
KERASTUNER = """
import json, sys
import keras_tuner as kt

def accepts(item, value):
    name = type(item).__name__
    if name == "Fixed":
        return item.value == value and isinstance(item.value, bool) == isinstance(value, bool)
    if name == "Boolean":
        return isinstance(value, bool)
    if name == "Choice":
        return value in item.values
    if item.step is not None:
        return any(abs(value - other) <= 1e-9 * max(1, abs(other)) for other in item.values)
    return item.min_value <= value <= item.max_value

answers = []
for case in json.load(sys.stdin):
    hp = kt.HyperParameters.from_config(case["config"])
    refused = []
    for values in case["values"]:
        hp.values = dict(values)
        active = {i.name: i for i in hp.space if hp._conditions_are_active(i.conditions)}
        refused += [n for n, i in active.items() if n not in values or not accepts(i, values[n])]
        refused += [n for n in values if n not in active]
    drawn = []
    for seed in range(5):
        values = kt.HyperParameters()
        for item in hp.space:
            if values._conditions_are_active(item.conditions):
                values.values[item.name] = item.random_sample(seed)
                values._register(item)
        drawn.append(values.values)
    answers.append({"refused": refused, "drawn": drawn, "config": hp.get_config()})
print(json.dumps(answers))
"""


@pytest.mark.slow
def test_the_real_kerastuner_takes_what_we_draw_and_draws_what_we_take() -> None:
    made = [space for space in _some(60) if not any(map(is_mixed, space.parameters))]
    cases = [
        {
            "config": to_kerastuner(space),
            "values": [space.walk(choose(seed)) for seed in range(5)],
        }
        for space in made
    ]
    done = subprocess.run(
        [sys.executable, "-c", KERASTUNER],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"KerasTuner is needed for this test: {done.stderr[-2000:]}"
    answers = json.loads(done.stdout.splitlines()[-1])

    assert len(made) > 20
    for space, answer in zip(made, answers, strict=True):
        assert answer["refused"] == [], space.to_json()
        back, notes = from_kerastuner(answer["config"])
        assert (back.names, notes) == (space.names, [])
        for values in answer["drawn"]:
            assert space.problems(values) == [], to_json(space.parameters[0])


def _some(count: int) -> list[SearchSpace]:
    """Return the same spaces each time."""
    from hypothesis import HealthCheck, Phase, settings

    found: list[SearchSpace] = []

    @settings(
        max_examples=count, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(spaces())
    def take(space: SearchSpace) -> None:
        found.append(space)

    take()
    return found
