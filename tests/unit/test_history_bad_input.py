"""What a history path may hold besides runs: nothing crashes, and the counts add up."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.databases.lab import TUNER, Cli
from tests.support.history.lab import DATA, HistoryLab, open_lab
from tests.unit.test_history_importing import write_run
from tests.unit.test_history_own_trials import write_own
from tests.unit.test_history_producers import make_studies
from tuner.errors import SpecError, UnavailableError
from tuner.history.importers import source
from tuner.history.store import cleaning
from tuner.history.store.imported import ImportedRun, Options
from tuner.roots import Place
from tuner.tfevents import RunWriter

SCORE = Options(metrics=("score",), goals=("maximize",))


@pytest.fixture
def lab(sqlite_url: str) -> Iterator[HistoryLab]:
    with open_lab(sqlite_url) as lab:
        yield lab


def sparse(path: Path, size: int = 10 << 30) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def loop(path: Path) -> None:
    (path / "inner").mkdir(parents=True)
    (path / "inner" / "up").symlink_to(path)
    (path / "inner" / "self").symlink_to("self")


def event_file(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.mkdir()
        (path / "events.out.tfevents.1.x").write_bytes(content)

    return make


def huge_table(path: Path) -> None:
    path.write_text("x,score\n" + "1,2\n" * 2000)
    with path.open("r+b") as file:
        file.truncate(10 << 30)


def huge_events(path: Path) -> None:
    path.mkdir()
    sparse(path / "events.out.tfevents.1.x")


def foreign_json(path: Path) -> None:
    path.mkdir()
    (path / "trial.json").write_text("[]")


def huge_project(path: Path) -> None:
    path.mkdir()
    (path / "oracle.json").write_text("{}")
    (path / "trial_0").mkdir()
    sparse(path / "trial_0" / "trial.json")


def not_optuna(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE studies (study_id INTEGER)")
    connection.close()


def bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: p.mkdir(), "holds no runs of a known kind"),
        (lambda p: p.touch(), "is empty"),
        (sparse, "of no known kind"),
        (loop, "holds no runs of a known kind"),
        (lambda p: p.symlink_to(p.name), "is neither a file nor a folder"),
        (lambda p: p.symlink_to("nowhere"), "is neither a file nor a folder"),
        (bind_socket, "is neither a file nor a folder"),
        (
            lambda p: p.write_bytes(b"\x89" + os.urandom(5000).replace(b",", b"")),
            "of no known kind",
        ),
        (lambda p: p.write_bytes(b"a,b\n\0\0"), "of no known kind"),
        (lambda p: p.write_text("a,b\n1,2\n"), "no column 'score'; name one with --metric: a, b"),
        (lambda p: p.write_text("score,score\n1,2\n"), "has two columns 'score'"),
        (lambda p: p.write_text('{"op_code": 0}\n'), "is not an Optuna journal"),
        (lambda p: p.write_bytes(b"SQLite format 3\0" + b"x" * 200), "cannot be read"),
        (not_optuna, "holds no studies of Optuna's"),
        (huge_table, "is not a CSV file: it holds binary data"),
        (event_file(b""), "is an empty event file"),
        (event_file(os.urandom(4000)), "holds no hyperparameters, or is damaged"),
        (huge_events, "holds no hyperparameters, or is damaged"),
        (foreign_json, "trial.json of neither Tuner nor KerasTuner"),
        (huge_project, "bytes, at most"),
    ],
)
def test_what_cannot_be_used_is_rejected_with_the_reason(
    lab: HistoryLab, tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    path = tmp_path / "given"
    make(path)
    report = lab.add(path, SCORE)

    assert (report.found, report.rejected) == (1, 1)
    assert reason in next(iter(lab.reasons().values()))
    assert lab.store.studies() == []


def test_a_path_that_is_not_there_is_not_noted(lab: HistoryLab, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file or directory"):
        lab.add(tmp_path / "none")
    with pytest.raises(SpecError, match=r"sqlite:////.*none.db: No such file or directory"):
        lab.add(f"sqlite:///{tmp_path / 'none.db'}#study")
    with pytest.raises(SpecError, match="must be a database URL"):
        lab.add("sqlite//:://secret")
    with pytest.raises(SpecError, match="a PATH is empty"):
        lab.add("")
    assert lab.reasons() == {}


#: Root may read everything; without these rights it is as anybody else.
_AS_ANYBODY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may read everything"
)
def test_what_may_not_be_read_is_rejected(tmp_path: Path) -> None:
    write_run(tmp_path / "logs" / "run-0", 0.5)
    closed = tmp_path / "logs" / "run-1"
    closed.mkdir(mode=0)
    table = tmp_path / "runs.csv"
    table.touch(mode=0)
    cli = Cli(tmp_path / "home", f"sqlite:///{tmp_path / 'tuner.db'}")
    done = subprocess.run(
        [*(_AS_ANYBODY if os.geteuid() == 0 else []), *TUNER, "history", "add", "logs", "runs.csv"],
        cwd=tmp_path,
        env=cli.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    closed.chmod(0o700)

    assert f"{tmp_path}/logs: 2 found: 1 imported, 0 unchanged, 1 rejected" in done.stdout
    assert f"{closed}: cannot be read: Permission denied" in done.stdout
    assert f"{table}: cannot be read: Permission denied" in done.stdout
    assert (done.returncode, done.stderr) == (2, "")


def test_the_password_of_a_url_is_neither_stored_nor_shown(lab: HistoryLab, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as refused:
        lab.add("postgresql://ada:hush-hush@127.0.0.1:9/runs?password=more-hush#one")
    make_studies(f"sqlite:///{tmp_path / 'study.db'}")
    lab.add(f"sqlite:///{tmp_path / 'study.db'}?timeout=9")
    lab.storage.close()

    assert "postgresql://ada@127.0.0.1:9/runs: cannot be read" in str(refused.value)
    assert "hush" not in str(refused.value)
    content = b"".join(path.read_bytes() for path in tmp_path.glob("tuner.db*"))
    assert b"study.db#one" in content
    assert b"timeout" not in content


def test_an_event_file_that_is_cut_at_any_byte_is_used_up_to_there_or_rejected(
    lab: HistoryLab, tmp_path: Path
) -> None:
    write_run(tmp_path / "whole", 0.5)
    (whole,) = (tmp_path / "whole").iterdir()
    content = whole.read_bytes()
    logs = tmp_path / "logs"
    for size in range(len(content)):
        run = logs / f"cut-{size:05d}"
        run.mkdir(parents=True)
        (run / whole.name).write_bytes(content[:size])
    report = lab.add(logs)
    trials = lab.only().trials
    points = [len(trial.curves.get("score", ())) for trial in trials]

    assert report.found == len(content)
    assert report.imported == len(trials) > len(content) / 3
    assert points == sorted(points)
    assert all(trial.params == {"rate": 0.5, "layers": 2} for trial in trials)
    assert {trial.state for trial in trials} == {"complete"}, "none says that it has ended"
    (note,) = lab.store.studies()[0].notes
    assert note.endswith("event files end in a damaged record")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, 10_000),
    garbage=st.binary(min_size=1, max_size=40),
    name=st.sampled_from(["keras", "kerastuner", "tensorboardx", "own", "optuna", "journal"]),
    which=st.integers(0, 1000),
)
def test_files_with_garbage_in_them_never_stop_an_import(
    lab: HistoryLab, originals: Path, at: int, garbage: bytes, name: str, which: int
) -> None:
    work = originals.parent / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(originals / name, work)
    files = sorted(path for path in work.rglob("*") if path.is_file())
    path = files[which % len(files)]
    content = bytearray(path.read_bytes())
    start = at % (len(content) + 1)
    content[start : start + len(garbage)] = garbage
    path.write_bytes(content)
    report = lab.add(path if name in ("optuna", "journal") else work)

    for summary in lab.store.studies():
        study = lab.store.load(summary.key)
        assert len(study.trials) == summary.trials
        for trial in study.trials:
            assert all(math.isfinite(value) for value in trial.metrics.values())
    assert report.found


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    """Small histories of every kind."""
    root = tmp_path / "originals"
    shutil.copytree(DATA, root)
    for number in range(2):
        write_own(root / "own", number)
    (root / "optuna").mkdir()
    (root / "journal").mkdir()
    make_studies(f"sqlite:///{root / 'optuna' / 'study.db'}")
    backend = optuna.storages.journal.JournalFileBackend(str(root / "journal" / "study.log"))
    make_studies(optuna.storages.JournalStorage(backend))
    return root


def test_odd_cells_of_a_table_are_absent_or_reject_their_row(
    lab: HistoryLab, tmp_path: Path
) -> None:
    rows = [f"0.{n},adam,true,{n},{n}.5" for n in range(20)]
    rows += ["0.5,sgd,false,,1.5", "nan,sgd,true,7,2.5", "0.5,NULL,true,7,nan"]
    rows += ["None,adam,true,7,3.5", "inf,adam,true,-inf,-inf"]
    rows += ["fast,adam,true,7,1", "0.5,adam,true,7,high", "0.5,adam,true,7,", "0.5", ""]
    path = tmp_path / "runs.csv"
    path.write_text("\ufeffrate,optimizer,nesterov,layers,score\n" + "\n".join(rows))
    report = lab.add(path, SCORE)
    *_, first, empty, nan, diverged, none, infinite = lab.only().trials

    assert (report.found, report.imported, report.rejected) == (29, 25, 4)
    assert first.params == {"rate": 0.19, "optimizer": "adam", "nesterov": True, "layers": 19}
    assert empty.params == {"rate": 0.5, "optimizer": "sgd", "nesterov": False}
    assert nan.params == {"optimizer": "sgd", "nesterov": True, "layers": 7}
    assert (diverged.state, diverged.cause, diverged.metrics) == ("fail", "diverged", {})
    assert none.params == {"optimizer": "adam", "nesterov": True, "layers": 7}
    assert (infinite.state, dict(infinite.params)) == (
        "fail",
        {"optimizer": "adam", "nesterov": True},
    )
    assert sorted(lab.reasons().values()) == [
        "has no value of the metric",
        "has no value of the metric",
        "rate: 'fast' is not a number",
        "score: 'high' is not a number",
    ]


def test_a_table_that_has_changed_replaces_what_it_was(lab: HistoryLab, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("x,score\n1,2\n3,4\n5,6\n")
    lab.add(path, SCORE)
    path.write_text("x,score\n7,8\n")
    report = lab.add(path)

    assert report.imported == 1
    assert [trial.params for trial in lab.only().trials] == [{"x": 7}]


def test_runs_of_one_name_without_number_are_bounded_and_counted(
    lab: HistoryLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuner.history.importers.tables.file.MAX_RUNS", 100)
    path = tmp_path / "runs.csv"
    rows = ["same,1,0.5"] * 5000
    rows[50] = "same,1,bad"
    path.write_text("name,x,score\n" + "\n".join(rows))
    report = lab.add(path, SCORE)

    assert (report.found, report.imported, report.rejected) == (5000, 99, 4901)
    assert lab.reasons()["runs.csv"] == "beyond the first 100 runs"


def test_rejections_without_number_are_kept_as_counts_of_their_reasons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusals = source.Refusals()
    for number in range(100_000):
        refusals(source.Rejection(path=f"row {number}", reason=f"x: 'a{number}' is not a number"))
    lines = refusals.lines()

    assert len(lines) <= 1000
    assert sum(line["count"] for line in lines) == 100_000


def test_odd_values_of_runs_are_left_out_and_the_rest_is_kept(
    lab: HistoryLab, tmp_path: Path
) -> None:
    writer = RunWriter(Place(tmp_path / "logs" / "odd"))
    values = {"rate": 1e400, "name": "a\nb", "list": [1], "none": None, "": 1, "n" * 300: 1}
    writer.start(values | {"layers": 3, "text": "x" * 600}, "odd", time_s=4e9)
    writer.scalars(0, {"loss": 0.5, "gain": 1.0, "broken": math.nan}, 4e9)
    writer.scalars(1, {"loss": math.inf, "gain": 2.0}, 4e9)
    writer.finish(None, "success", 4e9)
    writer.close()
    lab.add(tmp_path / "logs")
    (trial,) = lab.only().trials

    # The writer has made texts of infinity, the list and null.
    assert trial.params == {"rate": "inf", "list": "[1]", "none": "null", "layers": 3}
    assert trial.metrics == {"gain": 2.0}, "the last value of loss is not a number"
    assert trial.curves == {"gain": ((0, 1.0), (1, 2.0))}
    assert (trial.started, trial.finished) == (None, None), "in the future"


def test_a_run_of_which_nothing_is_finite_has_diverged(lab: HistoryLab, tmp_path: Path) -> None:
    writer = RunWriter(Place(tmp_path / "logs" / "odd"))
    writer.start({"rate": 0.5}, "odd")
    writer.scalars(0, {"loss": math.nan})
    writer.close()
    lab.add(tmp_path / "logs")
    (trial,) = lab.only().trials

    assert (trial.state, trial.cause, dict(trial.metrics)) == ("fail", "diverged", {})


@given(
    st.fixed_dictionaries(
        {
            "key": st.text(max_size=400),
            "stamp": st.text(max_size=100),
            "state": st.sampled_from(["complete", "open", "fail"]),
            "cause": st.none() | st.text(),
            "params": st.dictionaries(
                st.text(max_size=300), st.none() | st.text() | st.integers() | st.floats()
            ),
            "metrics": st.dictionaries(st.text(), st.floats() | st.integers() | st.booleans()),
            "curves": st.dictionaries(
                st.text(), st.lists(st.tuples(st.integers(), st.floats()), max_size=900)
            ),
        }
    )
)
def test_whatever_a_run_holds_what_is_kept_is_bounded_and_finite(
    document: dict[str, object],
) -> None:
    run = ImportedRun.from_document(document)
    kept = run.to_document()

    assert ImportedRun.from_document(kept).to_document() == kept
    assert len(kept["key"]) <= cleaning.MAX_NAME
    json.dumps(kept, allow_nan=False).encode("ascii")
    for curve in run.trial.curves.values():
        steps = [step for step, _ in curve]
        assert steps == sorted(set(steps))
        assert len(steps) <= cleaning.MAX_POINTS
