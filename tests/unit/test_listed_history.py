"""Paths that a spec lists are imported, and what came from them is what informs the study."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from tests.support.history.database import make_spec
from tests.support.history.lab import Counter, HistoryLab, open_lab
from tests.unit.test_history_importing import write_run
from tuner.errors import SpecError
from tuner.history.choosing.finding import FoundHistory, find
from tuner.local.listed_history import import_listed
from tuner.spec import parse_spec

RENAMES = {"rate": "train.rate", "momentum": "train.momentum", "value": "score"}
PLACES = ("runs", "old.db")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[HistoryLab]:
    with open_lab(f"sqlite:///{tmp_path}/history.db") as lab:
        yield lab


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An Optuna database of two studies; only the second goes the same way."""
    path = tmp_path / "old.db"
    for name, direction in (("down", "minimize"), ("up", "maximize")):
        study = optuna.create_study(
            storage=f"sqlite:///{path}",
            study_name=name,
            direction=direction,
            sampler=optuna.samplers.RandomSampler(seed=len(name)),
        )
        study.optimize(objective, n_trials=12)
    return path


def objective(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
    return rate * trial.suggest_float("momentum", 0.0, 1.0)


def listed(lab: HistoryLab, history: Any) -> tuple[FoundHistory, int]:
    """Return what a study that lists `history` finds, and how many runs were read for it."""
    spec = parse_spec(make_spec("new", history=history))
    counter = Counter()
    import_listed(spec, lab.writer, counter)
    return find(lab.store, spec), counter.done


def test_an_optuna_database_that_is_listed_informs_the_study(
    lab: HistoryLab, database: Path
) -> None:
    item = {"path": str(database), "rename": RENAMES}

    found, read = listed(lab, [item])
    again, read_again = listed(lab, [item])
    by_url, _ = listed(lab, [{"path": f"sqlite:///{database}#up", "rename": RENAMES}])

    assert (len(found.sources), read, read_again) == (2, 24, 0)
    assert found.to_json() == again.to_json()
    assert [r.locator for r in by_url.receipts] == [f"sqlite:///{database}#up"]
    for receipt in found.receipts:
        assert receipt.metric_note.startswith("value there (declared)")
        assert ("its goal there: minimize" in receipt.metric_note) == ("#down" in receipt.locator)
        assert receipt.parameters["train.rate"] == "rate there (declared)"


def test_what_is_vetoed_is_not_imported(lab: HistoryLab, database: Path) -> None:
    found, read = listed(lab, ["auto", {"path": str(database), "weight": 0}])

    assert (read, found.receipts, lab.store.studies()) == (0, (), [])


def test_a_metric_without_a_name_counts_by_its_goal(lab: HistoryLab, database: Path) -> None:
    lab.add(database)
    renames = {old: new for old, new in RENAMES.items() if old != "value"}

    found = find(
        lab.store,
        parse_spec(make_spec("new", history=[{"auto": True, "rename": renames}])),
    )

    (used,) = [r for r in found.receipts if not r.left_out]
    (other,) = [r for r in found.receipts if r.left_out]
    assert used.metric_note == "value there, which says no name (a guess)"
    assert "whose goal is to minimize: declare it with rename" in other.left_out


def test_a_path_that_is_no_path_is_refused(lab: HistoryLab, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"history: .*/gone: .*nothing was imported from there"):
        listed(lab, [str(tmp_path / "gone")])


def test_a_file_of_no_kind_is_imported_as_nothing_and_said(lab: HistoryLab, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("lr was 0.1\n")

    found, _ = listed(lab, [str(tmp_path / "notes")])

    assert found.summary == "starts cold: there is no history"
    assert found.receipts[0].left_out.startswith("no import of this path")
    assert "notes" in lab.reasons()


def test_a_place_is_the_same_place_by_whatever_link_it_is_named(
    lab: HistoryLab, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        write_run(tmp_path / "runs" / f"run-{number}", number / 20)
    (tmp_path / "by-link").symlink_to("runs")
    (tmp_path / "link.db").symlink_to(database)
    monkeypatch.chdir(tmp_path)
    first = [lab.add(place) for place in ("by-link", "link.db")]
    again = [lab.add(place) for place in ("runs", "sqlite:///link.db", str(database))]
    renames = {**RENAMES, "layers": "train.momentum"}

    found, _ = listed(lab, [{"path": str(tmp_path / name), "rename": renames} for name in PLACES])

    assert [report.imported for report in first] == [12, 24]
    assert all(report.is_unchanged for report in again)
    assert sorted(r.locator for r in found.receipts) == [
        str(tmp_path / "runs"),
        f"sqlite:///{database}#down",
        f"sqlite:///{database}#up",
    ]


def test_runs_that_lie_in_two_places_are_found_by_the_path_of_either(
    lab: HistoryLab, database: Path, tmp_path: Path
) -> None:
    lab.add(database)
    copy = tmp_path / "copy.db"
    shutil.copy(database, copy)
    item = {"path": str(copy), "rename": RENAMES}

    found, _ = listed(lab, [item])
    for summary in lab.store.studies():
        lab.writer.remove_history(summary.key)
    afterwards, _ = listed(lab, [item])

    assert [(r.listed, r.used) for r in found.receipts] == [(True, 12)] * 2
    assert {r.locator.partition("#")[0] for r in found.receipts} == {f"sqlite:///{database}"}
    assert {r.found_at.partition("#")[0] for r in found.receipts} == {f"sqlite:///{copy}"}
    assert [r.found_at for r in afterwards.receipts] == ["", ""], "now they are the copy's own"
    assert {r.locator.partition("#")[0] for r in afterwards.receipts} == {f"sqlite:///{copy}"}
