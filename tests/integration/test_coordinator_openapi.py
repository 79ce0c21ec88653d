"""The API's own description, taken at its word: whatever it allows is answered without a fault."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation, BaseSchema

from tests.support.protocol_worker import Held
from tests.support.service_process import TOKEN, ServiceProcess
from tests.support.study_lab import Lab

pytestmark = pytest.mark.slow

#: Generated requests per operation, of each of the two kinds: by the description and against it.
EXAMPLES = 4


@pytest.fixture(scope="module")
def description(service: ServiceProcess) -> BaseSchema:
    config = SchemathesisConfig.discover()
    return schemathesis.openapi.from_url(f"{service.url}/openapi.json", config=config)


@pytest.fixture
def held(lab: Lab) -> Held:
    """A running attempt, whose names make requests reach the depths of the server."""
    lab.submit(budget={"trials": 1000})
    return lab.claim("known")


def test_every_reference_in_the_description_leads_somewhere(service: ServiceProcess) -> None:
    document = httpx.get(f"{service.url}/openapi.json").json()
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)))
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    assert references <= known


def test_no_request_of_the_description_finds_a_fault(
    service: ServiceProcess, description: BaseSchema, held: Held
) -> None:
    seen: set[str] = set()
    for result in description.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        for mode in GenerationMode:
            _try(operation, mode, held)
        seen.add(f"{operation.method.upper()} {operation.path}")

    assert len(seen) >= 20, "all operations are described"
    assert service.call("GET", "/health").status_code == 200


def _try(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, held: Held) -> None:
    """Send generated requests of one operation, and each again with names that exist."""

    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def examine(case: Case[Any]) -> None:
        _send(held.worker.service, case)
        # It would take away what the other requests are to find.
        if operation.method != "delete":
            _send(held.worker.service, _with_known_names(case, held))

    try:
        examine()
    except hypothesis.errors.Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "there is nothing to get wrong in it"


def _with_known_names(case: Case[Any], held: Held) -> Case[Any]:
    project, study = held.assignment["study"].split("/")
    known = {
        "project": project,
        "study": study,
        "number": held.trial,
        "attempt": held.attempt,
        "name": held.worker.name,
        "token": held.token,
    }
    for part in (case.path_parameters, case.body):
        if isinstance(part, dict):
            part.update({name: value for name, value in known.items() if name in part})
    if isinstance(case.body, dict) and isinstance(worker := case.body.get("worker"), dict):
        worker["name"] = held.worker.name
    return case


def _send(service: ServiceProcess, case: Case[Any]) -> None:
    if isinstance(case.body, dict) and "wait_s" in case.body:
        case.body["wait_s"] = 0.0
    answer = case.call(
        base_url=service.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30
    )
    assert answer.status_code < 500, (case.as_curl_command(), answer.text)
    if answer.status_code >= 400:
        kind = answer.headers["content-type"][0]
        assert kind == "application/problem+json", (case.as_curl_command(), answer.text)
