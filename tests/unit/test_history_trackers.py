"""Runs that experiment trackers really wrote, imported: MLflow's stores and servers, W&B's logs."""

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

from tests.history_lab import DATA, HistoryLab, open_lab
from tuner.errors import NotFoundError, SpecError, UnavailableError
from tuner.history.imported import Options
from tuner.history.importers.trackers import mlflow_server
from tuner.history.importers.trackers.mlflow_server import PASSWORD, TOKEN, USER

MLRUNS = DATA / "mlflow" / "mlruns"
WANDB = DATA / "wandb"
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
        (404, b"<html>", "is no MLflow server: answers with 404 to experiments/search"),
        (200, b"<html>", "is no MLflow server: answers with 200"),
        (200, b"[" * 100_000, "is no MLflow server"),
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


def test_offline_runs_of_wandb_are_trials_with_nested_settings_and_curves(lab: HistoryLab) -> None:
    report = lab.add(WANDB, Options(metrics=("val_accuracy",), goals=("maximize",)))
    study = lab.only()
    first, long, failed = sorted(study.trials, key=lambda trial: str(trial.params["lr"]))[::-1]

    assert (report.imported, report.rejected) == (3, 0)
    assert (study.kind, study.locator) == ("wandb", f"{WANDB}#digits")
    assert first.params == {
        "lr": 1.0, "optimizer": "adam", "norm": False, "model.layers": 1, "model.dropout": 0.0,
    }  # fmt: skip
    assert first.curves["val_accuracy"] == ((0, 0.5), (1, 0.501), (2, 0.502))
    assert first.metrics == {"val_accuracy": 0.502, "loss": 1.0}
    # Longer than one block of the log; its loss was never finite.
    assert len(long.curves["val_accuracy"]) == 120
    assert long.metrics == {"val_accuracy": pytest.approx(0.619)}
    assert [t.state for t in (first, long, failed)] == ["complete", "complete", "fail"]
    assert first.started is not None
    assert first.finished is not None
    assert 0 <= first.finished - first.started < 60


def test_a_link_to_the_latest_run_is_no_second_run(lab: HistoryLab, tmp_path: Path) -> None:
    shutil.copytree(WANDB, tmp_path / "wandb")
    latest = sorted((tmp_path / "wandb").iterdir())[-1]
    (tmp_path / "wandb" / "latest-run").symlink_to(latest.name)

    assert lab.add(tmp_path).imported == 3
    assert latest.name in [trial.key for trial in lab.only().trials]


def test_a_log_of_wandb_that_ends_anywhere_is_a_whole_run_or_rejected(
    lab: HistoryLab, tmp_path: Path
) -> None:
    (log,) = [path for path in WANDB.rglob("*.wandb") if path.stat().st_size > 30_000]
    content = log.read_bytes()
    for end in (0, 3, 7, 12, 100, 32_768, 32_770, len(content) - 1):
        run = tmp_path / f"run-{end:06}"
        run.mkdir()
        (run / log.name).write_bytes(content[:end])

    report = lab.add(tmp_path)

    assert (report.imported, report.rejected) == (0, 8)
    assert {item.reason for _, item in lab.store.rejected()} == {
        "is no log of a W&B run",
        "has not ended: it runs still, or was killed",
    }


def test_a_log_of_wandb_with_a_changed_byte_is_read_up_to_it(
    lab: HistoryLab, tmp_path: Path
) -> None:
    log = next(path for path in WANDB.rglob("*.wandb") if path.stat().st_size < 2000)
    content = log.read_bytes()
    for place in range(0, len(content), 61):
        run = tmp_path / f"run-{place:06}"
        run.mkdir()
        (run / log.name).write_bytes(content[:place] + b"\x85" + content[place + 1 :])

    report = lab.add(tmp_path)

    assert report.found == len(range(0, len(content), 61))
    for trial in (t for s in lab.store.studies() for t in lab.store.load(s.key).trials):
        assert trial.metrics["val_accuracy"] == 0.502


#: As `dict(id=run.id, state=run.state, config=run.config, …)` of W&B's API gives it.
EXPORTED = [
    {
        "id": "abc1",
        "state": "finished",
        "created_at": "2026-05-01T10:00:00Z",
        "config": {"lr": 0.1, "model": {"layers": 2}, "_wandb": {"x": 1}, "tags": ["a"]},
        "summary": {"val_accuracy": 0.9, "_step": 2, "note": "text", "best": {"max": 0.95}},
        "history": [
            {"_step": 0, "val_accuracy": 0.7, "loss": "NaN"},
            {"_step": 1, "val_accuracy": 0.9},
        ],
    },
    {"id": "abc2", "state": "crashed", "config": {"lr": 0.2}, "summary": {"val_accuracy": 0.4}},
    {"id": "abc3", "state": "running", "config": {"lr": 0.3}, "summary": {"val_accuracy": 0.4}},
    {"id": "abc4", "state": "killed", "config": {"lr": 0.4}, "summary": {}},
    {"id": "abc1", "state": "finished", "config": {"lr": {"value": 0.5, "desc": None}},
     "summary": {"val_accuracy": "Infinity"}},
    {"name": "odd"},
]  # fmt: skip


@pytest.mark.parametrize("form", ["list", "lines"])
def test_runs_that_the_api_of_wandb_gave_are_trials(
    lab: HistoryLab, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "runs.json"
    lines = "\n".join(map(json.dumps, EXPORTED))
    path.write_text(json.dumps(EXPORTED, indent=1) if form == "list" else lines)

    report = lab.add(path)
    study = lab.only()
    first, again, crashed, killed = study.trials

    assert (report.imported, report.rejected, study.kind) == (4, 2, "wandb")
    assert (first.key, first.params) == ("abc1", {"lr": 0.1, "model.layers": 2})
    assert first.metrics == {"val_accuracy": 0.9, "best.max": 0.95}
    assert first.curves == {"val_accuracy": ((0, 0.7), (1, 0.9))}
    assert first.started == 1777629600.0
    assert (crashed.state, killed.state, killed.cause) == ("fail", "fail", "cancelled")
    assert (again.params, again.state, again.cause) == ({"lr": 0.5}, "fail", "diverged")
    assert lab.reasons() == {
        "runs.json, run 3": "has not ended (state 'running')",
        "runs.json, run 6": "has no config with a summary",
    }


def test_a_data_frame_of_runs_that_was_written_by_columns_is_read_by_rows(
    lab: HistoryLab, tmp_path: Path
) -> None:
    """As `runs_df.to_json("runs.json")` writes the frame of W&B's example."""
    frame = {
        name: {"0": EXPORTED[0][name], "1": EXPORTED[1][name]} for name in ("summary", "config")
    }
    path = tmp_path / "runs.json"
    path.write_text(json.dumps(frame))

    assert lab.add(path).imported == 2
    assert [trial.params["lr"] for trial in lab.only().trials] == [0.1, 0.2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}', "is of no known kind"),
        ("[" * 100_000, "line 1: is damaged: it is not JSON"),
        ('{"config": {"lr": 1}, "summary": {}}\n{"config', "line 2: is damaged: it is not JSON"),
        ("[1, null, [2]]", "is of no known kind"),
    ],
)
def test_other_json_is_refused(lab: HistoryLab, tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "runs.json"
    path.write_text(content)

    lab.add(path)

    assert [message in item.reason for _, item in lab.store.rejected()] == [True]


NEPTUNE = DATA / "neptune"


def test_what_the_exporter_of_neptune_wrote_is_read_without_pyarrow(lab: HistoryLab) -> None:
    report = lab.add(NEPTUNE, Options(metrics=("val/accuracy",), goals=("maximize",)))
    study = lab.only()
    first, long, _ = study.trials

    assert (report.imported, report.rejected) == (3, 1)
    assert study.kind == "neptune"
    assert study.locator == f"{NEPTUNE}/team_digits_1a2b#team/digits"
    assert first.params == {"lr": 0.1, "optimizer": "adam", "model.layers": 1, "norm": True}
    assert first.curves["val/accuracy"] == ((0, 0.1), (1, 0.101), (2, pytest.approx(0.102)))
    # Steps of half an epoch are counted.
    assert first.curves["loss"] == ((0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3)))
    assert first.metrics["test/accuracy"] == 0.5
    assert (first.started, first.finished) == (1767607200.0, 1767607260.0)
    # In two parts of several groups of rows each; its loss was never finite.
    assert len(long.curves["val/accuracy"]) == 60
    assert set(long.metrics) == {"val/accuracy", "test/accuracy"}
    assert [trial.state for trial in study.trials] == ["complete", "complete", "fail"]
    assert lab.reasons() == {"DIG-4_part_0.parquet": "has not ended (state 'running')"}


def test_an_export_of_neptune_that_is_damaged_or_another_file_is_rejected(
    lab: HistoryLab, tmp_path: Path
) -> None:
    shutil.copytree(NEPTUNE, tmp_path / "data")
    (part,) = (tmp_path / "data").rglob("DIG-3_part_0.parquet")
    content = part.read_bytes()
    part.write_bytes(content[:-100])
    part.with_name("x_part_0.parquet").write_bytes(b"PAR1")
    shutil.copy(DATA / "parquet" / "plain.parquet", part.with_name("y_part_0.parquet"))

    report = lab.add(tmp_path / "data")

    assert (report.imported, report.rejected) == (2, 4)
    assert lab.reasons() == {
        "DIG-3_part_0.parquet": "is no Parquet file, or was not written to its end",
        "DIG-4_part_0.parquet": "has not ended (state 'running')",
        "x_part_0.parquet": "is no Parquet file",
        "y_part_0.parquet": "is no export of Neptune's: it has no column project_id",
    }
