"""The API's own description, taken at its word: whatever it allows is answered without a fault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.schemas import APIOperation, BaseSchema

from tests.protocol_worker import Held
from tests.service_process import TOKEN, ServiceProcess
from tests.study_lab import Lab

#: Generated requests per operation, of each of the two kinds: by the description and against it.
EXAMPLES = 4
#: Requests that make the server work on something that is there, so that they reach its depths.
NAMES = {"project": "faults", "number": 0}


@pytest.fixture(scope="module")
def description(service: ServiceProcess) -> BaseSchema:
    config = SchemathesisConfig.discover()
    return schemathesis.openapi.from_url(f"{service.url}/openapi.json", config=config)


@pytest.fixture
def known(lab: Lab) -> Iterator[dict[str, Any]]:
    """The names of a study that is there, and of its running attempt."""
    lab.submit(budget={"trials": 1000})
    held: Held = lab.claim("known")
    yield {**NAMES, "study": lab.name, "attempt": held.attempt, "name": held.worker.name}


def test_no_request_of_the_description_finds_a_fault(
    service: ServiceProcess, description: BaseSchema, known: dict[str, Any]
) -> None:
    seen: set[str] = set()
    for result in description.get_all_operations():
        operation = result.ok()
        # It would take away what the other requests are to find.
        names = {} if operation.method == "delete" else known
        for mode in GenerationMode:
            _try(service, operation, mode, names)
        seen.add(f"{operation.method.upper()} {operation.path}")

    assert len(seen) >= 20, "all operations are described"
    assert service.call("GET", "/health").status_code == 200


def _try(
    service: ServiceProcess,
    operation: APIOperation,
    mode: GenerationMode,
    names: dict[str, Any],
) -> None:
    """Send generated requests of one operation, and each again with names that exist."""

    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def examine(case: Case) -> None:
        _send(service, case)
        known = {name: names[name] for name in case.path_parameters if name in names}
        if known:
            case.path_parameters = {**case.path_parameters, **known}
            _send(service, case)

    try:
        examine()
    except hypothesis.errors.Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "there is nothing to get wrong in it"


def _send(service: ServiceProcess, case: Case) -> None:
    if isinstance(case.body, dict) and "wait_s" in case.body:
        case.body["wait_s"] = 0.0
    answer = case.call(
        base_url=service.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30
    )
    assert answer.status_code < 500, (case.as_curl_command(), answer.text)
    if answer.status_code >= 400:
        kind = answer.headers["content-type"][0]
        assert kind == "application/problem+json", (case.as_curl_command(), answer.text)
