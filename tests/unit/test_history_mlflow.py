"""Runs that MLflow really wrote, imported from its stores and its servers."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.history.lab import DATA, HistoryLab, open_lab
from tuner.errors import NotFoundError, SpecError, UnavailableError
from tuner.history.importers.trackers import mlflow_server
from tuner.history.importers.trackers.mlflow_server import PASSWORD, TOKEN, USER
from tuner.history.store.imported import Options

MLRUNS = DATA / "mlflow" / "mlruns"
ACCURACY = Options(metrics=("val/accuracy",), goals=("maximize",))


@pytest.fixture
def lab(sqlite_url: str) -> Iterator[HistoryLab]:
    with open_lab(sqlite_url) as lab:
        yield lab


def make_database(path: Path) -> Path:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript((DATA / "mlflow" / "mlflow.sql").read_text())
        database.commit()
    return path


def outcomes(lab: HistoryLab) -> list[tuple[Any, ...]]:
    trials = sorted(lab.only().trials, key=lambda trial: trial.started or 0)
    return [(t.params.get("layers"), t.state, t.cause, len(t.curves)) for t in trials]


def test_an_experiment_with_tags_is_no_run(lab: HistoryLab, tmp_path: Path) -> None:
    shutil.copytree(MLRUNS, tmp_path / "mlruns")
    (experiment,) = [
        p.parent for p in (tmp_path / "mlruns").glob("*/meta.yaml") if p.parent.name != "0"
    ]
    (experiment / "tags").mkdir()
    (experiment / "tags" / "mlflow.note.content").write_text("what it is")

    report = lab.add(tmp_path / "mlruns", ACCURACY)

    assert (report.imported, report.rejected) == (5, 2)


def test_of_two_values_at_one_step_the_later_one_counts(lab: HistoryLab, tmp_path: Path) -> None:
    shutil.copytree(MLRUNS, tmp_path / "mlruns")
    (file, *_) = sorted((tmp_path / "mlruns").glob("*/*/metrics/val/accuracy"))
    *_, last = file.read_text().splitlines()
    time, _, step = last.split(" ")
    with file.open("a") as lines:
        lines.write(f"{int(time) + 1} 0.123 {step}\n")
    lab.add(tmp_path / "mlruns", ACCURACY)

    assert 0.123 in [trial.metrics.get("val/accuracy") for trial in lab.only().trials]


@pytest.mark.parametrize("store", ["files", "database"])
def test_runs_of_mlflow_are_trials_with_their_types_curves_and_states(
    lab: HistoryLab, tmp_path: Path, store: str
) -> None:
    place = MLRUNS if store == "files" else make_database(tmp_path / "mlflow.db")
    report = lab.add(place, ACCURACY)
    study = lab.only()
    first = min(study.trials, key=lambda trial: trial.started or 0)

    assert (report.imported, report.rejected) == (5, 2)
    assert study.kind == "mlflow"
    assert study.locator.endswith("#digits")
    assert study.metrics == {"val/accuracy": "maximize"}
    assert first.params == {"train.rate": 0.01, "optimizer": "adam", "layers": 0, "norm": True}
    assert first.curves["val/accuracy"] == ((1, 0.51), (2, 0.52), (3, 0.53))
    assert first.metrics == {"val/accuracy": 0.53}
    assert first.started is not None
    assert first.finished is not None
    assert 0 < first.finished - first.started < 60
    assert outcomes(lab) == [
        (0, "complete", None, 1),
        (1, "fail", None, 1),
        (2, "fail", "cancelled", 1),
        (3, "fail", "diverged", 0),
        (2, "complete", None, 0),  # a child, of one point
    ]
    # A parent holds no metric; one was never finished.
    assert set(lab.reasons().values()) == {"holds no metric", "has not ended (state 'RUNNING')"}


def test_the_same_runs_in_files_and_in_a_database_count_once(
    lab: HistoryLab, tmp_path: Path
) -> None:
    lab.add(make_database(tmp_path / "mlflow.db"))
    copied = sqlite3.connect(tmp_path / "mlflow.db")
    copied.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    copied.close()

    again = lab.add(tmp_path / "copy.db")

    assert (again.imported, again.unchanged) == (0, 5)
    assert len(lab.store.studies()) == 1


def test_what_has_not_changed_is_not_read_again_and_what_is_new_is(
    lab: HistoryLab, tmp_path: Path
) -> None:
    shutil.copytree(MLRUNS, tmp_path / "mlruns")
    lab.add(tmp_path / "mlruns")
    assert lab.add(tmp_path / "mlruns").is_unchanged

    (metric,) = [
        path
        for path in tmp_path.rglob("metrics/val/accuracy")
        if path.parents[2].joinpath("params/layers").read_text() == "0"
    ]
    with metric.open("a") as file:
        file.write("1795945440000 0.9 4\n1795945440001 0.")
    report = lab.add(tmp_path / "mlruns")

    assert (report.imported, report.unchanged) == (1, 4)
    assert max(trial.metrics.get("val/accuracy", 0.0) for trial in lab.only().trials) == 0.9


def test_a_single_experiment_and_its_deleted_runs(lab: HistoryLab, tmp_path: Path) -> None:
    (experiment,) = [path.parent for path in MLRUNS.glob("*/*/meta.yaml")][:1]
    copy = tmp_path / "one"
    shutil.copytree(experiment.parent, copy)
    for meta in copy.glob("*/meta.yaml"):
        text = meta.read_text()
        meta.write_text(text.replace("lifecycle_stage: active", "lifecycle_stage: deleted"))

    report = lab.add(copy)

    assert (report.imported, report.rejected) == (0, 7)
    assert set(lab.reasons().values()) == {"was deleted in MLflow"}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda run: (run / "meta.yaml").write_text("status: 9\nrun_id: x\n"), "state that is not"),
        (lambda run: (run / "meta.yaml").write_bytes(b"\xff" * 100), "meta.yaml is damaged"),
        (lambda run: (run / "meta.yaml").write_text("a" * 70_000), "is larger than 64 KiB"),
        (lambda run: shutil.rmtree(run / "metrics"), "holds no metric"),
    ],
)
def test_a_damaged_run_of_mlflow_is_rejected_and_the_others_are_read(
    lab: HistoryLab, tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    shutil.copytree(MLRUNS, tmp_path / "mlruns")
    run = next(path.parents[1] for path in (tmp_path / "mlruns").rglob("metrics/val"))
    damage(run)

    report = lab.add(tmp_path / "mlruns")

    assert (report.imported, report.rejected) == (4, 3)
    assert any(reason in told for told in lab.reasons().values())


class Server(http.server.BaseHTTPRequestHandler):
    """What a tracking server answers, of the runs in a database; two runs a page."""

    database: Path
    seen: list[str]
    status = 200
    body: bytes | None = None

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        start = int(asked.get("page_token") or 0)
        if self.path.endswith("experiments/search"):
            found = [dict(r) for r in self._rows("SELECT * FROM experiments")][::-1]
            self._answer(
                {"experiments": [{**r, "experiment_id": str(r["experiment_id"])} for r in found]}
            )
            return
        rows = self._rows(
            "SELECT * FROM runs WHERE experiment_id = ? LIMIT 2 OFFSET ?",
            asked["experiment_ids"][0],
            start,
        )
        page = {"next_page_token": str(start + 2)} if len(rows) == 2 else {}
        self._answer({"runs": [self._run(dict(row)) for row in rows], **page})

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        rows = self._rows(
            "SELECT * FROM metrics WHERE run_uuid = ? AND key = ? ORDER BY timestamp",
            query["run_id"][0],
            query["metric_key"][0],
        )
        points = [{"step": r["step"], "value": self._value(dict(r))} for r in rows]
        self._answer({"metrics": points})

    def _run(self, row: dict[str, Any]) -> dict[str, Any]:
        params = self._rows("SELECT key, value FROM params WHERE run_uuid = ?", row["run_uuid"])
        metrics = self._rows(
            "SELECT key, value, is_nan, max(step) FROM metrics WHERE run_uuid = ? GROUP BY key",
            row["run_uuid"],
        )
        info = {**row, "run_id": row["run_uuid"]}
        last = [{"key": r["key"], "value": self._value(dict(r))} for r in metrics]
        return {"info": info, "data": {"params": [dict(r) for r in params], "metrics": last}}

    def _value(self, row: dict[str, Any]) -> Any:
        return "NaN" if row["is_nan"] else row["value"]

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            database.row_factory = sqlite3.Row
            return database.execute(query, values).fetchall()

    def _answer(self, document: Any) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        body = self.body if self.body is not None else json.dumps(document).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, type[Server]]]:
    handler = type("Handler", (Server,), {"database": make_database(tmp_path / "s.db"), "seen": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}", handler
        serving.shutdown()
        thread.join()


def test_a_server_gives_the_same_runs_as_its_database(
    lab: HistoryLab, server: tuple[str, type[Server]]
) -> None:
    address, handler = server
    report = lab.add(f"{address}/#digits", ACCURACY)

    assert (report.imported, report.rejected) == (5, 2)
    assert lab.add(handler.database, ACCURACY).studies[0].same_as is not None


def test_only_what_the_environment_holds_is_sent_and_nothing_of_it_is_kept(
    lab: HistoryLab, server: tuple[str, type[Server]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, handler = server
    monkeypatch.setenv(USER, "ada")
    monkeypatch.setenv(PASSWORD, "open sesame")
    lab.add(address)
    basic = base64.b64encode(b"ada:open sesame").decode()
    assert set(handler.seen) == {f"Basic {basic}"}

    monkeypatch.setenv(TOKEN, "tok-123")
    handler.seen.clear()
    lab.add(address)
    assert set(handler.seen) == {"Bearer tok-123"}
    assert "tok-123" not in str([*lab.store.studies(), *lab.store.rejected()])


@pytest.mark.parametrize("given", ["http://ada:secret@host", "http://host/?token=secret"])
def test_a_secret_in_an_address_is_refused_without_being_told(lab: HistoryLab, given: str) -> None:
    with pytest.raises(SpecError, match=f"holds no password and no query; set {TOKEN}") as caught:
        lab.add(given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, b"{}", f"refuses \\(401\\); set {TOKEN}"),
        (404, b"<html>", "is not an MLflow server: answers with 404 to experiments/search"),
        (200, b"<html>", "is not an MLflow server: answers with 200"),
        (200, b"[" * 100_000, "is not an MLflow server"),
    ],
)
def test_a_server_of_another_kind_is_named(
    lab: HistoryLab, server: tuple[str, type[Server]], status: int, body: bytes, message: str
) -> None:
    address, handler = server
    handler.status, handler.body = status, body

    report = lab.add(address)

    assert report.rejected == 1
    (told,) = [item.reason for _, item in lab.store.rejected()]
    assert re.search(message, told)


def test_a_server_that_cannot_be_reached_or_fails_may_be_asked_again(
    lab: HistoryLab, server: tuple[str, type[Server]]
) -> None:
    address, handler = server
    handler.status = 503
    with pytest.raises(UnavailableError, match="answers with 503"):
        lab.add(address)
    with pytest.raises(UnavailableError, match="cannot be reached"):
        lab.add("http://127.0.0.1:9")
    handler.status = 200
    with pytest.raises(NotFoundError, match="has no experiment 'other'; known: Default, digits"):
        lab.add(f"{address}#other")


def test_an_answer_without_end_is_cut(
    lab: HistoryLab, server: tuple[str, type[Server]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, handler = server
    monkeypatch.setattr(mlflow_server, "_MAX_ANSWER", 1000)
    handler.body = b" " * 5000

    lab.add(address)

    assert [item.reason for _, item in lab.store.rejected()] == ["answers with more than 64 MiB"]
