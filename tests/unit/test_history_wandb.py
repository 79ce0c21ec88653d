"""Runs that W&B and Neptune's exporter really wrote, imported from their files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.history.lab import DATA, HistoryLab, open_lab
from tuner.history.store.imported import Options

WANDB = DATA / "wandb"


@pytest.fixture
def lab(sqlite_url: str) -> Iterator[HistoryLab]:
    with open_lab(sqlite_url) as lab:
        yield lab


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
        "is not the log of a W&B run",
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
        "DIG-3_part_0.parquet": "is not a Parquet file, or was not written to its end",
        "DIG-4_part_0.parquet": "has not ended (state 'running')",
        "x_part_0.parquet": "is not a Parquet file",
        "y_part_0.parquet": "is not a Neptune export: it has no column project_id",
    }
