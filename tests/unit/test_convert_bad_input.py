"""What makes no sense in another tool's file is named; nothing ends in a traceback."""

from __future__ import annotations

import contextlib
import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.test_convert import PROJECT, SAMPLES
from tuner.convert import convert
from tuner.errors import SpecError
from tuner.spec import parse_spec
from tuner.spec.reading.yaml12 import parse_document

SWEEP = parse_document((SAMPLES / "sweep.yaml").read_text(), "sweep").data
KATIB = parse_document((SAMPLES / "katib.yaml").read_text(), "katib").data
RAY = json.loads((SAMPLES / "ray_space.json").read_text())
ORACLE = json.loads((PROJECT / "oracle.json").read_text())

_PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["uniform", "${args}", "Quantized", "1e400", "-1", "hyperband", "a.b/c"]),
)
_ANYTHING = st.recursive(
    _PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else inner:
        yield from places(item, (*path, key))


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    found = copy.deepcopy(data)
    at = found
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("convert")


@pytest.mark.parametrize("sample", [SWEEP, KATIB, RAY, ORACLE], ids=["wb", "katib", "ray", "kt"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_anything_anywhere_becomes_a_spec_or_is_refused(
    folder: Path, sample: Any, data: st.DataObject
) -> None:
    mutated = sample
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([p for p in places(mutated) if p]))
        mutated = changed(mutated, path, data.draw(_ANYTHING))
    file = folder / "mutated"
    file.write_text(json.dumps(mutated))

    with contextlib.suppress(SpecError):
        parse_spec(parse_document(convert(str(file)).text, "converted").data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "file: is empty"),
        ("hello", "file: is of no known kind; known: a W&B sweep"),
        ("[1, 2]", "file: is of no known kind; known: a W&B sweep"),
        ("{a: 1}", "file: is of no known kind; known: a W&B sweep"),
        ("project: a\nsearch_space: {}\nbudget: {}", "file: is a spec of Tuner's already"),
        ("method: [", "file:1:10: not YAML"),
        (
            "method: bayesian\nparameters: {x: {value: 1}}",
            'file:1:9: method: "bayesian": one of grid, random, bayes, custom',
        ),
        (
            "method: random\nparameters: {x: {min: 3, max: 1}}",
            "file:2:23: parameters.x.min: 3: a number of at most max (1)",
        ),
        (
            "method: random\nparameters:\n  x: {min: 3}",
            "file:3:6: parameters.x.max: missing: a finite number",
        ),
        (
            "method: random\nparameters:\n  x: {distribution: log_uniform, min: 1e-5, max: 1000}",
            "file:3:50: parameters.x.max: 1000: an exponent of e, at most 690 in size; ends "
            "themselves need log_uniform_values",
        ),
        (
            "method: random\nparameters: {x: {distribution: zipf, a: 1}}",
            'file:2:32: parameters.x.distribution: "zipf": one of constant, categorical',
        ),
        ("method: random\nparameters: {}", "file: has no parameter that a spec can have"),
        ("method: random\nparameters: 3", "file:2:13: parameters: 3: a mapping"),
        (
            "kind: Experiment\napiVersion: kubeflow.org/v1beta1\nspec: {objective: {}}",
            "file:3:7: spec.parameters: missing: a list of parameters with a name",
        ),
        (
            "kind: Experiment\napiVersion: kubeflow.org/v1beta1\nspec:\n  parameters:\n"
            "    - {name: x, parameterType: int, feasibleSpace: {min: '0.5', max: '2'}}",
            'spec.parameters[0].feasibleSpace.min: "0.5": whole numbers from min to max',
        ),
        ('{"x": {"type": "Float", "lower": 0, "upper": 1, "sampler": {"type": "_LogUniform"}}}',
         "x.lower: 0: a number above 0, because the scale is logarithmic"),
        ('{"hyperparameters": {"space": [{"class_name": "Int"}], "values": {}}}',
         "a space that KerasTuner wrote"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_value_and_choices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text(text)

    with pytest.raises(SpecError) as caught:
        convert("file")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.mkdir(), "a folder without oracle.json; name a file"),
        (lambda path: os.mkfifo(path), "is a named pipe"),
        (lambda path: path.write_bytes(b"\xff\xfe\0"), "is of no known kind"),
        (lambda path: path.write_bytes(b'{"a":' * 100_000), "is nested too deep"),
        (lambda path: path.write_text("a: " + "b" * 300_000), "larger than 256 KiB"),
    ],
    ids=["missing", "folder", "pipe", "binary", "deep", "large"],
)
def test_what_is_no_file_of_a_search_is_refused(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "file"
    make(path)

    with pytest.raises(SpecError, match=message):
        convert(str(path))


def test_a_file_with_thousands_of_odd_keys_makes_no_endless_spec(tmp_path: Path) -> None:
    path = tmp_path / "sweep.json"
    odd = {f"key{number}": "x" * 1000 for number in range(5000)}
    path.write_text(json.dumps({"method": "random", "parameters": {"x": {"value": 1}}, **odd}))

    assert len(convert(str(path)).text) < 100_000
