"""A service's own studies as history: listed by their log root, and after they were deleted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_history_lessons import (
    SPACE,
    explain,
    objective,
    run,
    submit,
    told,
    verdicts,
)
from tests.support.databases.dump import Database, study_id_of
from tests.support.databases.lab import opened
from tests.support.history.lab import Counter
from tests.support.service_process import TOKEN, ServiceProcess
from tests.support.study_lab import Lab
from tuner.client import ApiClient
from tuner.history import HistoryStore
from tuner.history.choosing.finding import FoundHistory, find
from tuner.history.import_report import ImportReport
from tuner.history.importing import Importer
from tuner.local.submission import make_submission
from tuner.settings import load_settings
from tuner.spec import StudySpec

pytestmark = pytest.mark.slow

MakeService = Callable[..., AbstractContextManager[ServiceProcess]]

TEACHER: dict[str, Any] = {"sampler": {"name": "random", "seed": 3}, "budget": {"trials": 12}}


@pytest.fixture(params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, make_service: MakeService) -> Iterator[ServiceProcess]:
    """A server of the test's own with one finished study, whose files are all written."""
    with make_service(request.param) as service:
        run(service, "teacher", **TEACHER)
        logs = service.home / "logs"
        Lab(service, "teacher").wait(
            lambda: len(list(logs.rglob("trial.json"))) == 12, "the files are written"
        )
        yield service


def send(service: ServiceProcess, folder: Path, history: Any) -> StudySpec:
    """Submit a study from a file, as a user does; nobody works for it."""
    spec = Lab(service, "pupil").spec(search_space=SPACE, history=history)
    folder = folder / "specs"
    folder.mkdir()
    (folder / "objectives.py").write_text("def train(run):\n    return 0.0\n")
    (folder / "s.yaml").write_text(json.dumps(spec))
    sent = make_submission(folder / "s.yaml", load_settings({"TUNER_HOME": str(folder / "home")}))
    with ApiClient(service.url, TOKEN) as api:
        sent.send(api)
    return sent.spec


def found_by(service: ServiceProcess, spec: StudySpec) -> FoundHistory:
    with opened(service.database_url) as storage:
        return find(HistoryStore(storage), spec)


def add(service: ServiceProcess, path: Path) -> ImportReport:
    with ApiClient(service.url, TOKEN) as api:
        return Importer(api, None, Counter()).add(str(path))


def test_the_log_root_of_this_service_stands_for_the_studies_in_it(
    service: ServiceProcess, tmp_path: Path
) -> None:
    logs = service.home / "logs"
    (tmp_path / "our-runs").symlink_to(logs)

    found = found_by(service, send(service, tmp_path, ["../our-runs"]))
    (receipt,) = found.receipts

    assert (receipt.key, receipt.listed, receipt.used) == ("faults/teacher", True, 12)
    assert receipt.found_at == f"{logs.resolve()}/faults/teacher"
    assert found.summary == "12 trials of 1 study inform this study"
    assert add(service, logs).is_unchanged


def test_a_study_that_was_deleted_is_read_from_what_is_left_of_its_files(
    service: ServiceProcess, tmp_path: Path
) -> None:
    copy = tmp_path / "kept"
    shutil.copytree(service.home / "logs", copy)
    before = add(service, copy)
    service.call("DELETE", "/studies/faults/teacher")
    after = add(service, copy)

    assert [(r.imported, r.unchanged) for r in (before, after)] == [(0, 12), (12, 0)]
    assert after.studies[0].own == 0


def test_deleting_a_study_leaves_nothing_of_it_and_all_that_others_learnt_from_it(
    service: ServiceProcess,
) -> None:
    pupil = submit(service, "pupil", budget={"trials": 6})
    worker = pupil.worker()
    for _ in range(3):
        held = worker.claim()
        held.complete(objective(held))
    before = explain(pupil)
    service.call("DELETE", "/studies/faults/teacher")
    pupil.wait(lambda: len(told(pupil)) == 2, "the pupil notices")
    pupil.run(worker, objective)
    after = explain(pupil)

    assert verdicts(pupil) == [("same", "")] * 6
    assert told(pupil) == [
        "12 trials of 1 study inform this study",
        "starts cold: there is no history",
    ]
    assert before["sources"][0]["key"] == "faults/teacher"
    assert (after["state"], after["sources"]) == ("cold", [])
    assert [use["shares"] for use in after["artifacts"]] == [{"score": {"faults/teacher": 1.0}}]
    chosen = [n for n in range(3) if pupil.show(n)["proposal"]["sampler"] == "bayesian"]
    first = explain(pupil, chosen[0])
    assert first["why"]
    assert first["nearest"] == [], "they are gone"


def test_a_deleted_study_leaves_no_row_of_what_it_learnt(service: ServiceProcess) -> None:
    pupil = submit(service, "pupil", budget={"trials": 3})
    held = pupil.run(pupil.worker(), objective)[0]
    database = Database(service.database_url)
    mine = study_id_of(held.attempt)
    assert database.rows_of(mine)["tuner_artifacts"]
    service.call("DELETE", "/studies/faults/pupil")

    assert database.rows_of(mine) == {}
    assert database.count("tuner_artifacts") == 0, "the teacher had nothing to learn from"
    database.close()
