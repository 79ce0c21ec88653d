"""The history of a running service: imported over HTTP, recognised, backed up."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.databases.lab import Cli, opened
from tests.support.history.lab import DATA, Counter, HistoryLab, open_lab
from tests.support.service_process import TOKEN, ServiceProcess
from tests.support.study_lab import Lab
from tuner.client import ApiClient
from tuner.history import HistoricStudy, HistoryStore
from tuner.history.import_report import ImportReport
from tuner.history.importing import Importer
from tuner.history.store.imported import Options

MakeService = Callable[..., AbstractContextManager[ServiceProcess]]


def add(service: ServiceProcess, path: Path, options: Options | None = None) -> ImportReport:
    """Import over HTTP."""
    with ApiClient(service.url, TOKEN) as api:
        return Importer(api, options, Counter()).add(str(path))


def load(url: str, name: str) -> HistoricStudy:
    """Return the study of a database whose locator ends with `name`."""
    with opened(url) as storage:
        store = HistoryStore(storage)
        (summary,) = [study for study in store.studies() if study.locator.endswith(name)]
        return store.load(summary.key)


def without_key(study: HistoricStudy) -> dict[str, Any]:
    return {k: v for k, v in vars(study).items() if k not in ("key", "version", "locator")}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_is_imported_over_http_is_what_is_imported_here(
    make_service: MakeService, tmp_path: Path, kind: str
) -> None:
    table = tmp_path / "runs.csv"
    rows = (f"{n},{n / 7},caf\u00e9" for n in range(5000))
    table.write_text("layers,score,name\n" + "\n".join(rows))
    score = Options(metrics=("score",), goals=("maximize",))
    with make_service(kind) as service, open_lab(f"sqlite:///{tmp_path / 'here.db'}") as here:
        for path, options in ((DATA, None), (table, score)):
            there = add(service, path, options)
            assert there.to_json() == here.add(path, options).to_json()
            assert add(service, path).is_unchanged
        with ApiClient(service.url, TOKEN) as api:
            studies = api.history()
            assert len(studies) == 9
            assert sorted(item["reason"] for item in api.history_rejected()) == [
                "has not ended (state 'RUNNING')",
                "has not ended (state 'running')",
                "holds curves and no hyperparameters",
                "holds no metric",
            ]
            for study in studies:
                mine = here.store.load(study["key"])
                assert without_key(load(service.database_url, study["locator"])) == without_key(
                    mine
                )
            removed = api.remove_history(studies[0]["key"])
            assert removed["removed"] not in {study["key"] for study in api.history()}


def test_nobody_without_the_token_sees_or_changes_the_history(service: ServiceProcess) -> None:
    for method, path in (
        ("GET", "/history"),
        ("GET", "/history/rejected"),
        ("GET", "/history/imports"),
        ("GET", "/history/logs-1/runs"),
        ("POST", "/history"),
        ("POST", "/history/imports/1/runs"),
        ("POST", "/history/imports/1/finish"),
        ("DELETE", "/history/logs-1"),
    ):
        assert httpx.request(method, f"{service.url}/v1{path}").status_code == 401, path


def test_the_log_root_of_a_service_is_recognised_there_and_complete_elsewhere(
    make_service: MakeService, tmp_path: Path
) -> None:
    with make_service("sqlite") as service:
        lab = Lab(service)
        lab.submit(budget={"trials": 6})
        worker = lab.worker()
        for number in range(6):
            held = worker.claim()
            for step in (1, 2, 3):
                held.report(step, held.params["x"] * step)
            if number == 4:
                held.fail("diverged", "NaN")
            else:
                held.complete(held.params["x"])
        lab.wait_closed()
        logs = service.home / "logs"
        lab.wait(lambda: len(list(logs.rglob("trial.json"))) == 6, "the files are written")
        again = add(service, logs)
        own = load(service.database_url, lab.study)

    assert (again.imported, again.unchanged, again.rejected) == (0, 6, 0)
    assert again.studies[0].own == 6
    assert len(own.trials) == 6
    with open_lab(f"sqlite:///{tmp_path / 'elsewhere.db'}") as elsewhere:
        assert elsewhere.add(logs).imported == 6
        check_same(elsewhere, own)


def check_same(elsewhere: HistoryLab, own: HistoricStudy) -> None:
    study = elsewhere.only()
    assert study.space == own.space
    assert study.metrics == own.metrics
    assert (study.data, study.code, study.image) == (own.data, own.code, own.image)
    for mine, theirs in zip(study.trials, own.trials, strict=True):
        assert (mine.params, mine.metrics, mine.curves) == (
            theirs.params,
            theirs.metrics,
            theirs.curves,
        )
        assert (mine.state, mine.cause) == (theirs.state, theirs.cause)
        assert mine.finished == pytest.approx(theirs.finished, abs=0.01)


def test_the_history_is_in_backups_and_commands_need_no_service(
    database_url: str, tmp_path: Path
) -> None:
    home = Cli(tmp_path / "home", database_url)
    said = home.ok("history", "add", DATA)
    assert "36 found: 32 imported, 0 unchanged, 4 rejected" in said.out
    listed = home.ok("history", "list", "--json").out
    home.ok("db", "backup", tmp_path / "backup.gz")
    other = Cli(tmp_path / "other", f"sqlite:///{tmp_path / 'other.db'}")
    other.ok("db", "restore", tmp_path / "backup.gz")

    assert other.ok("history", "list", "--json").out == listed
    assert "0 imported, 32 unchanged, 4 rejected" in other.ok("history", "add", DATA).out
    assert "tensorboardx/shared" in other.ok("history", "list", "--rejected").out
    refused = home.run("history", "add", tmp_path / "none", DATA)
    assert refused.code == 2
    assert "No such file or directory" in refused.err
    assert "32 unchanged" in refused.out, "the other path was looked at"
    assert "--goal: 'up'" in home.refused(
        2, "history", "add", DATA, "--metric", "a", "--goal", "up"
    )
    assert "nothing was imported as 'x'" in home.refused(2, "history", "remove", "x")
