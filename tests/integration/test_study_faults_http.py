"""The API of a study whose rows are damaged: every route says so, and all other studies go on."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.service_process import Nursery, ServiceProcess
from tests.support.study_lab import Lab

RAW = re.compile(r"sqlalche|sqlite3|\[SQL|Traceback|INSERT |SELECT |UPDATE |FOREIGN KEY")
DAMAGES = {
    "its spec": "UPDATE tuner_studies SET spec_json = '{' WHERE id = ?",
    "its parameters": "UPDATE tuner_trials SET params_json = '[' WHERE study_id = ?",
    "its results": "UPDATE tuner_trials SET values_json = 'x', metrics_json = 'x' WHERE study_id=?",
    "its records": "UPDATE tuner_trials SET proposal_json = '0' WHERE study_id = ?",
    "its state": "UPDATE tuner_studies SET state = 'resting' WHERE id = ?",
    "its times": "UPDATE tuner_studies SET created = 'then', started = 'then' WHERE id = ?",
}


@pytest.fixture
def service(nursery: Nursery, tmp_path: Path, redis_url: str) -> Iterator[ServiceProcess]:
    url = f"sqlite:///{tmp_path / 'home' / 'tuner.db'}"
    service = ServiceProcess(nursery, tmp_path / "home", url, redis_url)
    # Its log holds what was wrong with the study, which is no fault of the server.
    service.start()
    yield service
    service.close()


def test_every_route_of_a_damaged_study_says_what_is_wrong(service: ServiceProcess) -> None:
    sick, well = Lab(service), Lab(service)
    for lab in (sick, well):
        lab.submit()
        lab.claim().complete(0.5)
    study_id = service_rows(service, sick)
    paths = httpx.get(f"{service.url}/openapi.json", timeout=30).json()["paths"]
    known = {"project": "faults", "study": sick.name, "number": "0"}
    mine = [
        re.sub(r"{(\w+)}", lambda found: known.get(found[1], "0" * 64), path)
        for path, verbs in paths.items()
        if path.startswith("/v1/studies/{project}/{study}") and "get" in verbs
    ]
    assert len(mine) > 8
    for name, statement in DAMAGES.items():
        write(service, statement, study_id)
        for path in mine:
            answer = service.call("GET", path.removeprefix("/v1"))

            assert answer.status_code < 500, (name, path, answer.text)
            assert not RAW.search(answer.text), (name, path, answer.text)
        listed = {row["study"]: row for row in service.get("/studies")}
        assert {sick.study, well.study} <= set(listed), name
        assert listed[well.study]["fault"] is None
    held = well.claim()
    assert held.complete(0.5).status_code == 200
    assert "cannot be read" in service.call("GET", f"/studies/{sick.study}/trials").text
    assert service.call("DELETE", f"/studies/{sick.study}").status_code == 200
    for lab in (sick, well):
        for worker in lab.workers:
            worker.close()


def path_of(service: ServiceProcess) -> str:
    return service.database_url.removeprefix("sqlite:///")


def service_rows(service: ServiceProcess, lab: Lab) -> int:
    with sqlite3.connect(path_of(service)) as db:
        query = "SELECT id FROM tuner_studies WHERE name = ?"
        return int(db.execute(query, (lab.name,)).fetchone()[0])


def write(service: ServiceProcess, statement: str, study_id: int) -> None:
    with sqlite3.connect(path_of(service)) as db:
        db.execute(statement, (study_id,))
