"""Run folders that were used more than once: values stand with the parameters that made them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.board.event_files import curve, end, file_name, start, write_events
from tests.support.history.lab import HistoryLab, open_lab
from tuner.cli.render.imports import print_report
from tuner.history.importers.source import import_key
from tuner.history.store.imported import ImportedRun
from tuner.history.store.records import HistoricTrial

T = 1_700_000_000


@pytest.fixture
def lab(sqlite_url: str) -> Iterator[HistoryLab]:
    with open_lab(sqlite_url) as lab:
        yield lab


def pairs(lab: HistoryLab, metric: str = "acc") -> list[tuple[object, float]]:
    """Return (units, rounded metric) of all runs, by their keys."""
    trials = lab.only().trials
    return [(t.params["units"], round(t.metrics[metric], 3)) for t in trials]


def write_session(
    folder: Path, units: int, last: float, at: int, *, process: int | None = 100, number: int = 0
) -> None:
    records = [start({"units": units}, at), *curve("acc", [0.1, last], at)]
    write_events(folder / file_name(at, process=process, number=number), records)


def write_keras(
    folder: Path, units: int, last: float, at: int, *, process: int | None = 100, number: int = 0
) -> None:
    """Write what `hp.KerasCallback` and Keras' `TensorBoard` do: three files in three folders."""
    names = [file_name(at, process=process, number=number + k) for k in range(3)]
    write_events(folder / names[0], [start({"units": units}, at)])
    write_events(folder / "train" / names[1], curve("acc", [0.1, last + 0.05], at))
    write_events(folder / "validation" / names[2], curve("acc", [0.1, last], at))


def test_each_start_in_a_folder_is_a_run_with_its_own_values(
    lab: HistoryLab, tmp_path: Path
) -> None:
    for number, (units, value) in enumerate([(8, 0.5), (16, 0.6), (32, 0.7)]):
        write_session(tmp_path / "logs" / f"run-{number}", units, value, T, number=9 + number)
    for number, (units, value) in enumerate([(256, 0.95), (128, 0.9), (64, 0.8)]):
        write_session(tmp_path / "logs" / f"run-{number}", units, value, T + 1, number=99 + number)
    report = lab.add(tmp_path / "logs")

    assert pairs(lab) == [(8, 0.5), (256, 0.95), (16, 0.6), (128, 0.9), (32, 0.7), (64, 0.8)]
    assert [t.key for t in lab.only().trials][:2] == ["run-0", "run-0#2"]
    note = "3 folders were used more than once: 6 runs, one for each start"
    assert (report.imported, report.studies[0].notes) == (6, [note])
    again = lab.add(tmp_path / "logs")
    assert (again.imported, again.unchanged, again.rejected) == (0, 6, 0)


def test_only_a_folder_that_is_used_again_is_read_again(lab: HistoryLab, tmp_path: Path) -> None:
    for number in range(3):
        write_session(tmp_path / f"run-{number}", 8 * (number + 1), number / 10, T)
        write_session(tmp_path / f"run-{number}", 80 * (number + 1), number / 5, T + 9)
    lab.add(tmp_path)
    write_session(tmp_path / "run-1", 7, 0.77, T + 20)
    report = lab.add(tmp_path)

    assert (report.imported, report.unchanged, report.rejected) == (3, 4, 0)
    assert (7, 0.77) in pairs(lab)
    assert len(pairs(lab)) == 7


def test_folders_beside_one_that_has_changed_are_counted_as_before(
    lab: HistoryLab, tmp_path: Path
) -> None:
    for at in (T, T + 9):
        write_session(tmp_path / "one" / "run-0", at % 100, 0.5, at)
    lab.add(tmp_path)
    write_session(tmp_path / "two" / "run-0", 8, 0.5, T)
    report = lab.add(tmp_path)

    assert (report.imported, report.unchanged) == (1, 2)


@pytest.mark.parametrize("process", [100, None])
def test_curves_below_a_run_belong_to_the_start_before_them(
    lab: HistoryLab, tmp_path: Path, process: int | None
) -> None:
    for turn, (units, value) in enumerate([(8, 0.5), (16, 0.6), (32, 0.7)]):
        write_keras(tmp_path / "run", units, value, T + 60 * turn, process=process, number=8 * turn)
    lab.add(tmp_path)

    assert pairs(lab, "validation/acc") == [(8, 0.5), (16, 0.6), (32, 0.7)]
    assert pairs(lab, "train/acc") == [(8, 0.55), (16, 0.65), (32, 0.75)]


def test_a_start_that_is_written_behind_its_curves_has_them(
    lab: HistoryLab, tmp_path: Path
) -> None:
    for units, at in ((8, T), (16, T + 60)):
        values = [0.1, units / 100]
        write_events(tmp_path / "run" / "train" / file_name(at), curve("acc", values, at))
        path = tmp_path / "run" / file_name(at + 30, number=1)
        write_events(path, [start({"units": units}, at + 30)])
    lab.add(tmp_path)

    assert pairs(lab, "train/acc") == [(8, 0.08), (16, 0.16)]


def test_two_processes_that_write_at_once_keep_their_curves_apart(
    lab: HistoryLab, tmp_path: Path
) -> None:
    write_keras(tmp_path / "run", 8, 0.5, T, process=100)
    write_keras(tmp_path / "run", 16, 0.6, T, process=200)
    # A third one, on a machine whose clock is an hour behind.
    write_keras(tmp_path / "run", 32, 0.7, T - 3600, process=300)
    lab.add(tmp_path)

    assert sorted(pairs(lab, "validation/acc")) == [(8, 0.5), (16, 0.6), (32, 0.7)]


def test_curves_that_may_be_of_either_start_are_said_to_be(lab: HistoryLab, tmp_path: Path) -> None:
    write_keras(tmp_path / "run", 8, 0.5, T, process=None)
    write_events(tmp_path / "run" / (file_name(T, process=None) + "-2"), [start({"units": 16}, T)])
    write_session(tmp_path / "other", 4, 0.3, T)
    report = lab.add(tmp_path)

    assert pairs(lab) == [(4, 0.3)], "no pair that no run had"
    assert (report.imported, report.rejected) == (1, 2)
    reason = lab.reasons()["run, start 1 of 2"]
    assert reason.startswith("its folder was used more than once, and which start train/events.out")


def test_curves_that_run_on_beyond_the_next_start_are_nobodys(
    lab: HistoryLab, tmp_path: Path
) -> None:
    for units, at in ((8, T), (16, T + 60)):
        write_events(tmp_path / "run" / file_name(at), [start({"units": units}, at)])
    path = tmp_path / "run" / "train" / file_name(T + 1, number=1)
    write_events(path, [*curve("acc", [0.1, 0.5], T + 1), *curve("acc", [0.1, 0.6], T + 61)])
    report = lab.add(tmp_path)

    assert (report.imported, report.rejected) == (0, 2)


def test_what_a_run_that_broke_off_has_left_is_replaced(lab: HistoryLab, tmp_path: Path) -> None:
    """Parameters are noted at the end, and only the second start came to it."""
    path = tmp_path / "run" / file_name(T)
    write_events(path, curve("acc", [0.1, 0.2, 0.3, 0.4, 0.5], T))
    path = tmp_path / "run" / file_name(T + 60, process=101)
    write_events(path, curve("acc", [0.6, 0.7], T + 60))
    path = tmp_path / "run" / file_name(T + 60, process=101, number=1)
    write_events(path, [start({"units": 8}, T + 70), *curve("hparam/acc", [0.7], T + 70)])
    lab.add(tmp_path)
    (trial,) = lab.only().trials

    assert [round(value, 3) for _, value in trial.curves["acc"]] == [0.6, 0.7]


def test_files_that_were_all_opened_first_are_nobodys(lab: HistoryLab, tmp_path: Path) -> None:
    """Two callbacks are made, then one model is trained after the other."""
    for number, at in ((0, T + 10), (1, T + 60)):
        path = tmp_path / "run" / file_name(T, number=number)
        write_events(path, [start({"units": 8 * (number + 1)}, at)])
        path = tmp_path / "run" / "train" / file_name(T + 1, number=2 + number)
        write_events(path, curve("acc", [0.1, 0.5 + number / 10], at))
    report = lab.add(tmp_path)

    assert (report.imported, report.rejected) == (1, 1), "by their names both are the second's"
    assert pairs(lab, "train/acc") == [(16, 0.6)]


def test_one_writer_may_write_run_after_run(lab: HistoryLab, tmp_path: Path) -> None:
    before, behind = [], []
    for turn, (units, value) in enumerate([(8, 0.5), (16, 0.6), (8, 0.55)]):
        at = T + 60 * turn
        before += [start({"units": units}, at), *curve("acc", [0.1, value], at)]
        behind += [*curve("acc", [0.1, value], at), start({"units": units}, at + 9), end(at + 9)]
    write_events(tmp_path / "before" / "run" / file_name(T), before)
    write_events(tmp_path / "behind" / "run" / file_name(T), behind)
    for order in ("before", "behind"):
        lab.add(tmp_path / order)

        trials = lab.store.load(lab.store.studies()[0].key).trials
        found = [(t.params["units"], round(t.metrics["acc"], 3)) for t in trials]
        assert found == [(8, 0.5), (16, 0.6), (8, 0.55)]
        lab.writer.remove_history(lab.store.studies()[0].key)


def test_a_writer_that_notes_its_parameters_again_tells_of_one_run(
    lab: HistoryLab, tmp_path: Path
) -> None:
    records = [start({"units": 8}, T), *curve("hp_metric", [-1.0], T)]
    records += curve("acc", [0.1, 0.5], T + 1)
    records += [start({"units": 8, "rate": 0.1}, T + 9), *curve("hp_metric", [0.5], T + 9), end(T)]
    write_events(tmp_path / "version_0" / file_name(T), records)
    lab.add(tmp_path)
    (trial,) = lab.only().trials

    assert trial.params == {"units": 8, "rate": 0.1}
    assert (trial.metrics, trial.state) == ({"hp_metric": 0.5, "acc": 0.5}, "complete")


def test_a_run_that_was_continued_is_one_and_one_that_was_repeated_is_two(
    lab: HistoryLab, tmp_path: Path
) -> None:
    for folder, first in (("continued", 3), ("repeated", 0)):
        path = tmp_path / folder / file_name(T)
        write_events(path, [start({"units": 8}, T), *curve("acc", [0.1, 0.2, 0.3], T)])
        path = tmp_path / folder / file_name(T + 60, process=101)
        again = curve("acc", [0.4, 0.5], T + 60, first=first)
        write_events(path, [start({"units": 8}, T + 60), *again, end(T + 62)])
    lab.add(tmp_path)
    whole, one, two = lab.only().trials

    assert [step for step, _ in whole.curves["acc"]] == [0, 1, 2, 3, 4]
    assert whole.state == "complete"
    assert [round(t.metrics["acc"], 3) for t in (one, two)] == [0.3, 0.5]
    assert [t.state for t in (one, two)] == ["running", "complete"], "no end was written"


def test_a_start_that_measured_nothing_does_not_take_the_values_of_the_next(
    lab: HistoryLab, tmp_path: Path
) -> None:
    write_events(tmp_path / "run" / file_name(T), [start({"units": 8}, T)])
    write_session(tmp_path / "run", 16, 0.6, T + 60, process=101)
    report = lab.add(tmp_path)

    assert pairs(lab) == [(16, 0.6)]
    assert lab.reasons() == {"run, start 1 of 2": "holds hyperparameters and no metric"}
    assert (report.imported, report.rejected) == (1, 1)


def test_what_an_earlier_release_paired_wrongly_is_corrected_and_said(
    lab: HistoryLab, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    write_session(logs / "run-0", 8, 0.5, T)
    write_session(logs / "run-1", 4, 0.4, T)
    lab.add(logs)
    key = import_key("hparams", str(logs))
    # As that release would have left it: the first parameters with the last values.
    write_session(logs / "run-0", 256, 0.95, T + 60)
    write_events(logs / "run-2" / file_name(T), [start({"units": 1}, T)])
    write_session(logs / "run-2", 2, 0.2, T + 9)
    lab.add(logs)
    stamps = {run: stamp.removesuffix("+3") for run, stamp in lab.writer.history_runs(key).items()}
    number = lab.writer.history_begin(key, "hparams", str(logs))["number"]
    wrong = {"run-0": (8, 0.95), "run-1": (4, 0.4), "run-2": (1, 0.2)}
    runs = [
        ImportedRun(
            trial=HistoricTrial(key=run, params={"units": units}, metrics={"acc": value}),
            stamp=stamps.get(run, stamps["run-2#2"]),
        ).to_document()
        for run, (units, value) in wrong.items()
    ]
    lab.writer.history_put(number, runs)
    facts = lab.store.studies()[0]
    lab.writer.history_finish(
        number,
        {
            "stamp": "of then",
            "facts": {"metrics": dict(facts.metrics), "parameters": ["units"]},
            "rejected": [],
            "own": 0,
            "replace": True,
        },
    )
    assert pairs(lab) == [(8, 0.95), (4, 0.4), (1, 0.2)]

    (logs / "elsewhere").mkdir()
    write_session(logs / "run-3", 3, 0.3, T)
    report = lab.add(logs)

    assert pairs(lab) == [(8, 0.5), (256, 0.95), (4, 0.4), (2, 0.2), (3, 0.3)]
    assert report.studies[0].corrected == 3, "run-0, run-1 (has a curve now) and run-2"
    again = lab.add(logs)
    assert (again.imported, again.unchanged, again.rejected) == (0, 5, 1)


def test_the_command_says_what_it_corrects_and_why(
    lab: HistoryLab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for at in (T, T + 9):
        write_session(tmp_path / "run-0", at % 100, 0.5, at)
    report = lab.add(tmp_path)
    report.studies[0].corrected = 1
    print_report(report)

    assert capsys.readouterr().out.splitlines()[1:] == [
        f"  {report.studies[0].key}  hparams, 2 imported, corrects 1 run that an earlier release "
        "read wrongly",
        "    1 folder was used more than once: 2 runs, one for each start",
    ]
