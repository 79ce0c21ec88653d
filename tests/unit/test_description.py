"""The API's description says what the API does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.support.api_app import TOKEN, Sent, api, operations
from tests.unit.test_work_is_bounded import SPEC
from tuner.errors import SpecError
from tuner.protocol import MAX_STEP
from tuner.server.access import OPEN_PATHS
from tuner.server.routes.body_schemas import spec_schema
from tuner.spec import load_spec, parse_spec
from tuner.spec.reading.study import KEYS

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "search_spaces" / "examples").glob("*.yaml"))
AUTH = ("authorization", f"Bearer {TOKEN}")
PATHS: dict[str, dict[str, Any]] = api().openapi()["paths"]


def body_of(path: str) -> dict[str, Any]:
    content = PATHS[path]["post"]["requestBody"]["content"]
    schema: dict[str, Any] = content["application/json"]["schema"]
    return schema


@pytest.mark.parametrize(("method", "path"), operations())
def test_a_wrong_method_is_told_every_right_one(method: str, path: str) -> None:
    sent = Sent("TRACE", path, AUTH)
    known = {other for other, same in operations() if same == path}

    assert sent.status == 405
    assert set(sent.headers["allow"].split(", ")) == known


def test_every_operation_behind_the_token_says_what_the_front_answers() -> None:
    for path, item in PATHS.items():
        for method, operation in item.items():
            answers = set(operation["responses"])
            assert path in OPEN_PATHS or {"401", "403", "429"} <= answers, (method, path)
            assert "requestBody" not in operation or {"408", "413", "422"} <= answers, path


def test_the_document_is_the_same_for_everybody_and_made_once() -> None:
    first, second = Sent("GET", "/openapi.json"), Sent("GET", "/openapi.json")

    assert first.content == second.content
    assert json.loads(first.content) == api().openapi()
    assert first.headers["content-type"] == "application/json"


def test_the_documentations_pages_are_there() -> None:
    for path in ("/docs", "/redoc"):
        sent = Sent("GET", path)
        assert sent.status == 200
        assert b"/openapi.json" in sent.content


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_good_spec_has_the_form_of_the_description(path: Path) -> None:
    spec = load_spec(path).spec.to_json()

    jsonschema_rs.validate(spec_schema(), spec)
    submission = {"spec": spec, "code": None, "data": None, "git": None}
    jsonschema_rs.validate(body_of("/v1/studies"), submission)


@pytest.mark.parametrize(
    "changes",
    [
        {"trial": {"timeout": "30m", "retries": 0}},
        {"trial": {"timeout": 90.0}},
        {"sampler": "tpe", "pruner": "asha"},
        {"sampler": {"name": "tpe", "seed": 7}, "pruner": {"name": "asha", "min_resource": "auto"}},
        {"metric": [{"name": "a", "goal": "minimize"}, {"name": "b", "goal": "maximize"}]},
        {"history": "none"},
        {"history": ["p/s", {"study": "p/t", "weight": 0.5}]},
        {"history": {"study": "p/t"}},
        {"budget": {"hours": 0.5, "target": 0.9}},
        {"constraints": [], "forbid": None, "start_with": None, "trial": None, "data": None},
        {"priority": -100, "parallel": 4},
        {"search_space": {"a": {"type": "fixed", "value": 3}, "b": {"type": "bool"}}},
        {"forbid": [{"a.c": "u"}], "start_with": [{"a.x": 0.5}]},
    ],
    ids=str,
)
def test_what_a_spec_may_say_has_that_form_too(changes: dict[str, Any]) -> None:
    spec = {**SPEC, **changes}
    parse_spec(spec)

    jsonschema_rs.validate(spec_schema(), spec)


@pytest.mark.parametrize(
    "changes",
    [
        {"project": "No"},
        {"project": "-"},
        {"colour": "red"},
        {"budget": {}},
        {"budget": {"trials": 0}},
        {"budget": {"hours": 0}},
        {"metric": []},
        {"metric": {"name": "a", "goal": "up"}},
        {"sampler": "best"},
        {"search_space": {}},
        {"search_space": {"a": {"type": "odd"}}},
        {"search_space": {f"p{i}": {"type": "bool"} for i in range(501)}},
        {"trial": {"retries": -1}},
        {"priority": 101},
        {"forbid": [{}]},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_what_the_form_refuses_the_server_refuses(changes: dict[str, Any]) -> None:
    spec = {**SPEC, **changes}

    assert not jsonschema_rs.is_valid(spec_schema(), spec)
    with pytest.raises(SpecError):
        parse_spec(spec)


def test_every_key_of_a_spec_is_in_its_form() -> None:
    assert set(spec_schema()["properties"]) == set(KEYS)


@pytest.mark.parametrize("step", [0, -1, MAX_STEP + 1, 10**12])
def test_a_step_that_is_refused_is_outside_of_the_described_range(step: int) -> None:
    report = body_of("/v1/attempts/{attempt}/report")
    good = {"token": "t", "points": [{"step": 1, "value": 0.5, "metrics": {"a": 1.0}}]}

    jsonschema_rs.validate(report, good)
    jsonschema_rs.validate(report, {"token": "t", "points": [{"step": 1, "value": "nan"}]})
    assert not jsonschema_rs.is_valid(
        report, {"token": "t", "points": [{"step": step, "value": 1}]}
    )
    assert not jsonschema_rs.is_valid(report, {"token": "t", "points": [{"step": 1, "value": "x"}]})


@pytest.mark.parametrize("name", ["", "../x", "a b", "a" * 81, "\x1b[2J"])
def test_a_workers_name_that_is_refused_does_not_fit_the_described_pattern(name: str) -> None:
    claim = body_of("/v1/claim")
    worker = {"name": "host-1.gpu_0", "host": "h", "pid": 1}

    jsonschema_rs.validate(claim, {"token": "0" * 32, "worker": worker})
    bad = {"token": "0" * 32, "worker": {**worker, "name": name}}
    assert not jsonschema_rs.is_valid(claim, bad)
