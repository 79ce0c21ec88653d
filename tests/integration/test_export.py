"""`tuner export`: what it writes is whole, is what the study holds, and is read back as such."""

from __future__ import annotations

import csv
import json
import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.toy_packages import installed, write_package
from tuner.errors import SetupError, UnknownNameError
from tuner.exporters.formats import ExportedStudy, ExportedTrial, export_study
from tuner.history.store.database import HistoryStore
from tuner.testing import LocalService, service

SPEC = {
    "project": "demo",
    "study": "hill",
    "objective": "hill:train",
    "metric": {"name": "score", "goal": "maximize"},
    "search_space": {
        "x": {"type": "float", "low": 0.0, "high": 1.0},
        "optim.name": {"type": "categorical", "values": ["adam", "sgd"]},
        "momentum": {
            "type": "float", "low": 0.1, "high": 0.9, "when": {"optim.name": ["sgd"]},
        },
        "deep": {"type": "bool"},
        "layers": {"type": "int", "low": 1, "high": 9},
    },
    "sampler": {"name": "random", "seed": 3},
    "pruner": {"name": "median", "startup_trials": 2, "warmup_steps": 1},
    "trial": {"retries": 0},
    "budget": {"trials": 16},
    "history": "none",
}  # fmt: skip


def run_study(here: LocalService, **changes: Any) -> str:
    """Run a study with trials of every end; of some the result is not their last report."""
    study = here.submit({**SPEC, **changes})
    while (held := here.claim()) is not None:
        if held.trial in (3, 4):
            held.fail("oom" if held.trial == 3 else "diverged", "it broke")
            continue
        value = held.params["x"]
        if all(held.report(step, value * step / 4) != "prune" for step in range(1, 5)):
            held.complete(value + (0.5 if held.trial % 2 else 0.0), loss=0.25)
        else:
            held.prune()
    return study


@pytest.fixture(scope="module")
def here() -> Iterator[LocalService]:
    with service() as found:
        run_study(found)
        yield found


def history_of(here: LocalService, kind: str | None = None) -> dict[str, Any]:
    """Return the only study of a history, as trials by their parameters."""
    store = HistoryStore(here._storage)
    (key,) = [one.key for one in store.studies() if kind in (None, one.kind)]
    found = store.load(key).trials
    return {
        json.dumps(dict(trial.params), sort_keys=True): (
            trial.state, trial.cause, dict(trial.metrics), dict(trial.curves), trial.started,
        )
        for trial in found
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), [("mlflow", "runs"), ("wandb", "runs.jsonl")])
def test_what_is_exported_is_read_back_as_the_same_trials(
    here: LocalService, tmp_path: Path, kind: str, name: str
) -> None:
    here.export("demo/hill", kind, tmp_path / name)
    own = history_of(here)
    with service() as there:
        report = there.import_history(tmp_path / name, goals={"score": "maximize"})
        back = history_of(there)

    assert (report.imported, report.rejected) == (16, 0), report
    assert back.keys() == own.keys()
    for params, (state, cause, metrics, curves, started) in own.items():
        assert back[params][:2] == (state, cause), params
        assert back[params][2] == metrics
        last = metrics.get("score")
        for metric, curve in curves.items():
            # A result beside the last report stands in its place.
            end = (curve[-1][0], curve[-1][1] if last is None else last)
            assert back[params][3][metric] == (*curve[:-1], end), params
        assert back[params][4] == pytest.approx(started, abs=0.002)


def test_a_table_is_read_back_with_its_states_and_values(
    here: LocalService, tmp_path: Path
) -> None:
    here.export("demo/hill", "csv", tmp_path / "hill.csv")
    with service() as there:
        report = there.import_history(tmp_path / "hill.csv", goals={"score": "maximize"})
        back = history_of(there)
    own = history_of(here)

    assert (report.imported, report.rejected) == (16, 0), report
    assert {k: (v[0], v[2]) for k, v in back.items()} == {k: (v[0], v[2]) for k, v in own.items()}


def test_csv_has_a_row_a_trial_and_json_the_spec_and_the_curves(
    here: LocalService, tmp_path: Path
) -> None:
    here.export("demo/hill", "csv", tmp_path / "hill.csv")
    here.export("demo/hill", "json", tmp_path / "hill.json")
    rows = list(csv.DictReader((tmp_path / "hill.csv").open()))
    document = json.loads((tmp_path / "hill.json").read_text())

    assert [int(row["trial"]) for row in rows] == list(range(16))
    assert rows[3]["cause"] == "oom"
    assert document["spec"]["search_space"].keys() == SPEC["search_space"].keys()  # type: ignore[attr-defined]
    assert [trial["trial"] for trial in document["trials"]] == list(range(16))
    first = document["trials"][0]
    assert first["curve"] == [[s, first["params"]["x"] * s / 4] for s in range(1, 5)]
    assert float(rows[0]["metrics.score"]) == first["metrics"]["score"] == first["objective"]
    assert [name for name in rows[0] if name.startswith("params.")] == [
        f"params.{name}"
        for name in SPEC["search_space"]  # type: ignore[attr-defined]
    ]


def test_every_metric_of_a_study_with_several_is_there(tmp_path: Path) -> None:
    goals = [{"name": "score", "goal": "maximize"}, {"name": "size", "goal": "minimize"}]
    with service() as here:
        study = here.submit({**SPEC, "metric": goals, "pruner": "none", "budget": {"trials": 3}})
        here.run(lambda held: (held.params["x"], float(held.trial)))
        here.export(study, "csv", tmp_path / "two.csv")
    rows = list(csv.DictReader((tmp_path / "two.csv").open()))

    assert [float(row["metrics.size"]) for row in rows] == [0.0, 1.0, 2.0]
    assert all(0 <= float(row["metrics.score"]) <= 1 for row in rows)


def test_an_export_to_where_something_is_or_to_nowhere_is_refused(
    here: LocalService, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("nothing")
    for kind in ("csv", "mlflow"):
        for name in ("there", "link"):
            with pytest.raises(SetupError, match=f"{name} already exists; choose another"):
                here.export("demo/hill", kind, tmp_path / name)
        with pytest.raises(SetupError, match="cannot be written: No such file"):
            here.export("demo/hill", kind, tmp_path / "gone" / "x")
    with pytest.raises(UnknownNameError, match="unknown exporter 'excel'; known: csv, json"):
        here.export("demo/hill", "excel", tmp_path / "x")
    assert {one.name for one in tmp_path.iterdir()} == {"link", "there"}


def test_a_packages_exporter_that_fails_is_named_and_leaves_nothing(
    here: LocalService, tmp_path: Path
) -> None:
    code = "def half(study, path):\n    path.write_text('half')\n    raise ValueError('no')\n"
    code += "def nothing(study, path): pass\n"
    entries = "[tuner.exporters]\nhalf = halves:half\nnothing = halves:nothing\n"
    site, out = tmp_path / "site", tmp_path / "out"
    site.mkdir()
    out.mkdir()
    write_package(site, "halves", "1", {"halves": code}, entries)
    with installed(site):
        with pytest.raises(SetupError, match="exporter 'half' of halves 1 failed: ValueError: no"):
            here.export("demo/hill", "half", out / "x")
        with pytest.raises(SetupError, match="exporter 'nothing' of halves 1 wrote nothing"):
            here.export("demo/hill", "nothing", out / "x")

    assert not [*out.iterdir()]


def test_no_part_of_an_export_is_seen_before_all_of_it_is(tmp_path: Path) -> None:
    seen: list[bool] = []
    target = tmp_path / "made"

    class Watched:
        def __iter__(self) -> Iterator[ExportedTrial]:
            for number in range(50):
                seen.append(target.exists())
                yield ExportedTrial(number=number, state="complete", params={}, metrics={})

    for kind in ("csv", "mlflow"):
        target = tmp_path / kind
        export_study(kind, bare(Watched()), target)
    assert not any(seen)
    assert len(seen) == 100


def test_of_two_exports_to_one_path_the_later_one_is_refused(tmp_path: Path) -> None:
    barrier = threading.Barrier(2)
    ends: list[str] = []

    class Racing:
        def __iter__(self) -> Iterator[ExportedTrial]:
            barrier.wait()
            return iter(())

    def write() -> None:
        try:
            export_study("json", bare(Racing()), tmp_path / "raced")
            ends.append("written")
        except SetupError as exc:
            ends.append("refused" if "already exists" in str(exc) else str(exc))

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["refused", "written"]


def bare(trials: Any) -> ExportedStudy:
    return ExportedStudy(
        name="demo/bare", state="finished", goals={"score": "maximize"}, spec={}, parameters=[],
        metrics=["score"], trials=trials,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "json", "wandb"])
def test_a_study_of_any_size_needs_little_memory(tmp_path: Path, kind: str) -> None:
    class Many:
        def __iter__(self) -> Iterator[ExportedTrial]:
            for number in range(20_000):
                yield ExportedTrial(
                    number=number,
                    state="complete",
                    params={f"p{n}": n / 3 for n in range(20)},
                    metrics={"score": 0.5},
                    curve=[(step, step / 7) for step in range(20)],
                )

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    export_study(kind, bare(Many()), tmp_path / "many")
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert (tmp_path / "many").read_text().count("\n") >= 20_000
    assert grown_kib < 200_000
