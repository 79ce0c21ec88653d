"""What KerasTuner's Hyperband left: results at their progress, and one run a configuration."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.board.event_files import curve, end, file_name, start, write_events
from tests.support.history.lab import HistoryLab, open_lab
from tuner.history.choosing.finding import FoundHistory, find
from tuner.history.importers.source import import_key
from tuner.spec import parse_spec
from tuner.surrogate.history.source import FINAL

SPACE = [
    {
        "class_name": "Float",
        "config": {
            "name": "lr",
            "default": 1e-4,
            "conditions": [],
            "min_value": 1e-4,
            "max_value": 0.1,
            "step": None,
            "sampling": "log",
        },
    }
]
SPEC = {
    "project": "vision",
    "study": "digits",
    "objective": "toy:train",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "search_space": {"lr": {"type": "float", "low": 1e-4, "high": 0.1, "log": True}},
    "budget": {"trials": 3},
}


@pytest.fixture
def lab(sqlite_url: str) -> Iterator[HistoryLab]:
    with open_lab(sqlite_url) as lab:
        yield lab


class Project:
    """Writes trials as KerasTuner does."""

    def __init__(self, folder: Path, max_epochs: int | None = None) -> None:
        self.folder = folder
        self.count = 0
        folder.mkdir(parents=True, exist_ok=True)
        oracle: dict[str, Any] = {"hyperparameters": {"space": SPACE, "values": {}}}
        oracle |= {} if max_epochs is None else {"max_epochs": max_epochs, "factor": 3}
        (folder / "oracle.json").write_text(json.dumps(oracle))

    def add(
        self,
        lr: float,
        epochs: int,
        value: float | Sequence[float],
        *,
        past: str | None = None,
        status: str = "COMPLETED",
    ) -> str:
        """Add a trial of one value at its best epoch, or of one an epoch; return its id."""
        trial = f"{self.count:02d}"
        self.count += 1
        values: dict[str, Any] = {"lr": lr, "tuner/epochs": epochs, "tuner/initial_epoch": 0}
        values |= {"tuner/bracket": 2, "tuner/round": 0 if past is None else 1}
        values |= {} if past is None else {"tuner/trial_id": past}
        points = [(epochs - 2, value)] if isinstance(value, float) else [*enumerate(value)]
        observations = [{"value": [v], "step": step} for step, v in points]
        metric = {"direction": "max", "observations": observations}
        data = {
            "trial_id": trial,
            "hyperparameters": {"space": SPACE, "values": values},
            "metrics": {"metrics": {"val_accuracy": metric}},
            "score": max(v for _, v in points),
            "status": status,
        }
        folder = self.folder / f"trial_{trial}"
        folder.mkdir()
        (folder / "trial.json").write_text(json.dumps(data))
        return trial


def look(lab: HistoryLab, **changes: object) -> FoundHistory:
    return find(lab.store, parse_spec({**SPEC, **changes}))


def states(lab: HistoryLab) -> Mapping[str, tuple[str, float, tuple[tuple[int, float], ...]]]:
    """Return state, value and curve of every run."""
    return {
        t.key: (t.state, t.metrics["val_accuracy"], t.curves.get("val_accuracy", ()))
        for t in lab.only().trials
    }


@pytest.mark.parametrize("max_epochs", [10, None])
def test_a_configuration_that_was_promoted_is_one_run_with_what_it_was_at_each_rung(
    lab: HistoryLab, tmp_path: Path, max_epochs: int | None
) -> None:
    project = Project(tmp_path / "hb", max_epochs)
    project.add(0.1, 2, 0.3)
    best = project.add(0.01, 2, 0.5)
    better = project.add(0.01, 4, 0.6, past=best)
    project.add(0.01, 10, 0.8, past=better)
    project.add(0.001, 10, 0.9)
    report = lab.add(tmp_path / "hb")

    assert states(lab) == {
        "trial_00": ("pruned", 0.3, ((2, 0.3),)),
        "trial_01": ("complete", 0.8, ((2, 0.5), (4, 0.6), (10, 0.8))),
        "trial_04": ("complete", 0.9, ()),
    }
    assert (report.found, report.imported) == (3, 3)
    assert report.studies[0].notes == [
        "Hyperband: 1 of 3 configurations were trained for fewer than 10 epochs and count as "
        "stopped there",
        "2 trials continue earlier ones and count with them",
    ]
    assert set(lab.only().trials[0].params) == {"lr"}


def test_values_of_every_epoch_stand_at_the_epochs_that_were_done(
    lab: HistoryLab, tmp_path: Path
) -> None:
    project = Project(tmp_path / "hb", 4)
    first = project.add(0.01, 2, [0.1, 0.2])
    project.add(0.01, 4, [0.15, 0.25, 0.4, 0.3], past=first)
    lab.add(tmp_path / "hb")

    ((state, value, curve),) = states(lab).values()
    assert (state, value, curve) == ("complete", 0.4, ((1, 0.15), (2, 0.25), (3, 0.4), (4, 0.4)))


def test_one_that_goes_on_or_failed_meanwhile_is_what_it_was_before(
    lab: HistoryLab, tmp_path: Path
) -> None:
    project = Project(tmp_path / "hb", 4)
    first, second = project.add(0.01, 2, 0.2), project.add(0.02, 2, 0.3)
    project.add(0.01, 4, 0.9, past=first, status="RUNNING")
    project.add(0.02, 4, 0.9, past=second, status="INVALID")
    project.add(0.03, 4, 0.9, past="77")
    lab.add(tmp_path / "hb")

    found = {key: state for key, (state, _, _) in states(lab).items()}
    assert found == {"trial_00": "pruned", "trial_01": "pruned", "trial_04": "complete"}

    path = tmp_path / "hb" / "trial_02" / "trial.json"
    path.write_text(path.read_text().replace("RUNNING", "COMPLETED"))
    report = lab.add(tmp_path / "hb")

    assert states(lab)["trial_00"] == ("complete", 0.9, ((2, 0.2), (4, 0.9)))
    assert (report.imported, report.unchanged) == (1, 2)


def test_a_number_of_another_configuration_joins_nothing(lab: HistoryLab, tmp_path: Path) -> None:
    project = Project(tmp_path / "hb", 4)
    other = project.add(0.05, 2, 0.2)
    project.add(0.01, 4, 0.9, past=other)
    lab.add(tmp_path / "hb")

    assert len(states(lab)) == 2


def test_a_longer_training_makes_the_others_unfinished(lab: HistoryLab, tmp_path: Path) -> None:
    project = Project(tmp_path / "hb")
    project.add(0.05, 2, 0.2)
    lab.add(tmp_path / "hb")
    assert [state for state, _, _ in states(lab).values()] == ["complete"]

    project.add(0.01, 4, 0.9)
    lab.add(tmp_path / "hb")

    assert [state for state, _, _ in states(lab).values()] == ["pruned", "complete"]


def test_an_import_of_an_earlier_release_is_corrected_without_doubles(
    lab: HistoryLab, tmp_path: Path
) -> None:
    project = Project(tmp_path / "hb", 4)
    first = project.add(0.01, 2, 0.2)
    project.add(0.01, 4, 0.9, past=first)
    project.add(0.02, 2, 0.3)
    key = import_key("kerastuner", str(tmp_path / "hb"))
    old = [
        {
            "key": f"trial_{number:02d}",
            "stamp": "of then",
            "state": "complete",
            "params": {"lr": lr},
            "metrics": {"val_accuracy": value},
            "curves": {},
        }
        for number, lr, value in ((0, 0.01, 0.2), (1, 0.01, 0.9), (2, 0.02, 0.3))
    ]
    number = lab.writer.history_begin(key, "kerastuner", str(tmp_path / "hb"))["number"]
    lab.writer.history_put(number, old)
    facts = {"metrics": {"val_accuracy": "maximize"}, "parameters": ["lr"]}
    document = {"stamp": "of then", "facts": facts, "rejected": [], "own": 0, "replace": True}
    lab.writer.history_finish(number, document)
    assert len(states(lab)) == 3
    report = lab.add(tmp_path / "hb")

    assert states(lab) == {
        "trial_00": ("complete", 0.9, ((2, 0.2), (4, 0.9))),
        "trial_02": ("pruned", 0.3, ((2, 0.3),)),
    }
    assert report.imported == 2


#: Configurations of the brackets of 10 epochs and factor 3, each with its rungs (30 trials).
_BRACKETS = (((2, 12), (4, 4), (10, 2)), ((4, 6), (10, 2)), ((10, 4),))


def search(project: Project, final: Any, early: Any) -> None:
    """Write a search of 30 trials; `early` is what there is at 2 and 4 epochs."""
    generator = random.Random(3)
    for bracket in _BRACKETS:
        rates = [10 ** generator.uniform(-4, -1) for _ in range(bracket[0][1])]
        ids: dict[float, str] = {}
        for epochs, count in bracket:
            measure = final if epochs == 10 else early
            rates = rates[:count]
            for rate in rates:
                ids[rate] = project.add(rate, epochs, measure(rate), past=ids.get(rate))
            rates.sort(key=measure, reverse=True)


def test_short_trainings_that_mislead_are_left_out(lab: HistoryLab, tmp_path: Path) -> None:
    """As where large rates learn fast and end badly."""
    search(Project(tmp_path / "hb", 10), final=lambda rate: 0.9 - rate, early=lambda rate: rate)
    lab.add(tmp_path / "hb")
    found = look(lab, history=[str(tmp_path / "hb")])

    assert len(lab.only().trials) == 22
    assert dict(found.receipts[0].dropped) == {"early": 14}
    (source,) = found.sources
    assert set(source.rung) == {FINAL}
    assert found.receipts[0].reasons == ["14 stopped where early values do not predict the end"]


def test_short_trainings_that_foretell_the_end_count_at_their_rung(
    lab: HistoryLab, tmp_path: Path
) -> None:
    search(Project(tmp_path / "hb", 10), final=lambda r: 0.9 - r, early=lambda r: 0.5 - r)
    lab.add(tmp_path / "hb")
    found = look(lab, history=[str(tmp_path / "hb")])
    (source,) = found.sources

    assert (found.receipts[0].used, found.receipts[0].dropped) == (22, {})
    assert {rung: int((source.rung == rung).sum()) for rung in (2, 4, FINAL)} == {
        2: 12 - 4 + 2,
        4: 2 + 4 + 2 + 2,
        FINAL: 8,
    }


def write_log(folder: Path, lr: float, values: Sequence[float], first: int = 0) -> None:
    """Write what KerasTuner's TensorBoard callback leaves of a trial."""
    begun = 1_700_000_000 + 100 * int(folder.name)
    run = folder / "execution0"
    write_events(run / file_name(begun), [start({"lr": lr}, begun), end(begun + 50)])
    points = curve("epoch_accuracy", values, begun, first=first)
    write_events(run / "validation" / file_name(begun, number=1), points)


def test_the_logs_of_a_search_hold_one_run_a_configuration_too(
    lab: HistoryLab, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    write_log(logs / "0000", 0.1, [0.1, 0.2])
    write_log(logs / "0001", 0.2, [0.1, 0.3])
    write_log(logs / "0002", 0.3, [0.1])
    write_log(logs / "0004", 0.4, [0.1, 0.3, 0.5])  # stopped by patience, at no rung
    write_log(logs / "0005", 0.5, [0.2, 0.3, 0.6, 0.8])
    lab.add(logs)
    assert {trial.state for trial in lab.only().trials} == {"complete"}

    write_log(logs / "0003", 0.2, [0.5, 0.7], first=2)
    report = lab.add(logs)
    found = {t.key.partition("/")[0]: t for t in lab.only().trials}

    assert {key: trial.state for key, trial in found.items()} == {
        "0000": "pruned",
        "0001": "complete",
        "0002": "complete",
        "0004": "complete",
        "0005": "complete",
    }
    whole = found["0001"].curves["validation/epoch_accuracy"]
    assert [(step, round(value, 3)) for step, value in whole] == [
        (0, 0.1),
        (1, 0.3),
        (2, 0.5),
        (3, 0.7),
    ]
    assert round(found["0001"].metrics["validation/epoch_accuracy"], 3) == 0.7
    assert report.studies[0].notes == [
        "1 of 5 configurations were trained for fewer than 4 epochs and count as stopped there",
        "1 run continues another and counts with it",
    ]
    again = lab.add(logs)
    assert (again.imported, again.unchanged) == (0, 5)


def test_logs_that_end_at_rungs_are_taken_as_stopped_there(lab: HistoryLab, tmp_path: Path) -> None:
    for number, epochs in enumerate([2, 2, 2, 4, 4, 10, 10]):
        write_log(tmp_path / f"{number:04d}", 0.1 + number, [0.1] * epochs)
    report = lab.add(tmp_path)

    assert [t.state for t in lab.only().trials] == [*["pruned"] * 5, *["complete"] * 2]
    assert report.studies[0].notes[0].endswith("and count as stopped there (a guess)")
