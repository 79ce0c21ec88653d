"""The receipt of a study's history says what it really taught, in this study's own names."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.history.lab import HistoryLab, open_lab
from tuner.history.store.imported import Options
from tuner.learning.learning import learn
from tuner.learning.lessons import Lesson, lesson_text
from tuner.service.answers.wording import source_notes
from tuner.spec import parse_spec, parse_stored

SPEC: dict[str, Any] = {
    "project": "vision",
    "study": "digits",
    "objective": "toy:train",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "search_space": {
        "rate": {"type": "float", "low": 0.0, "high": 1.0},
        "units": {"type": "int", "low": 8, "high": 128},
    },
    "budget": {"trials": 3},
}


@pytest.fixture
def lab(sqlite_url: str) -> Iterator[HistoryLab]:
    with open_lab(sqlite_url) as lab:
        yield lab


def lesson(lab: HistoryLab, path: Path, rows: list[str], **changes: Any) -> Lesson:
    """Return what a table teaches a study; its metric is the last column."""
    path.write_text("\n".join(rows) + "\n")
    metric = rows[0].rpartition(",")[2]
    lab.add(path, Options(metrics=(metric,), goals=("maximize",)))
    spec = parse_spec({**SPEC, "history": [str(path)], **changes})
    study: Any = SimpleNamespace(id=1, data=None, code=None)
    return learn(lab.storage, study, spec, "1", {})


def table(count: int, metric: str = "val_accuracy", *, is_noise: bool = False) -> list[str]:
    generator = random.Random(1)
    rows = [f"rate,max_units,{metric}"]
    for number in range(count):
        rate, chance = generator.random(), generator.random()
        rows.append(f"{rate},{8 + 3 * number},{chance if is_noise else 1 - rate}")
    return rows


def test_history_that_shows_nothing_but_noise_is_left_out_and_said_to_be(
    lab: HistoryLab, tmp_path: Path
) -> None:
    found = lesson(lab, tmp_path / "noise.csv", table(30, is_noise=True))
    (source,) = found.sources
    reason = "its values do not follow the parameters: what they show is noise"

    assert found.artifact is None
    text = f"starts cold: {source['key']} cannot inform this study: {reason}"
    assert lesson_text(found.summary, "") == text
    assert (source["used"], source["dropped"], source["left_out"]) == (0, {"left-out": 30}, reason)
    (share,) = found.shares["val_accuracy"]["sources"]
    assert (share["name"], share["weight"], share["reason"]) == (source["key"], 0.0, reason)


def test_history_of_too_few_configurations_says_how_many_it_takes(
    lab: HistoryLab, tmp_path: Path
) -> None:
    found = lesson(lab, tmp_path / "few.csv", table(4))

    text = "4 different configurations with an outcome; at least 5 needed"
    assert text in lesson_text(found.summary, "")


def test_history_that_teaches_counts(lab: HistoryLab, tmp_path: Path) -> None:
    found = lesson(lab, tmp_path / "runs.csv", table(30))

    assert found.artifact is not None
    assert lesson_text(found.summary, "") == "30 trials of 1 study inform this study"


def test_a_study_that_takes_nothing_is_told_nothing(lab: HistoryLab, tmp_path: Path) -> None:
    found = lesson(lab, tmp_path / "runs.csv", table(30), sampler={"name": "tpe"})

    assert (found.artifact, dict(found.shares)) == (None, {"val_accuracy": {}})


def test_a_receipt_has_this_studys_names_on_the_left_and_guesses_first(
    lab: HistoryLab, tmp_path: Path
) -> None:
    found = lesson(lab, tmp_path / "runs.csv", table(30, "val_acc"))
    (source,) = found.sources
    parameters = {**{f"p{n}": "always 1 there" for n in range(5)}, **source["parameters"]}
    notes = source_notes({**source, "agreement": None, "parameters": parameters})

    assert "metric val_accuracy: val_acc there (a guess by its name)" in notes
    assert notes[2] == "units: max_units there (a guess by its words)"


def test_a_space_that_has_grown_is_learnt_for_anew(lab: HistoryLab, tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_text("\n".join(table(20)) + "\n")
    lab.add(path, Options(metrics=("val_accuracy",), goals=("maximize",)))
    given = {key: SPEC[key] for key in SPEC if key not in ("objective", "search_space")}
    document = parse_spec({**given, "hypermodel": "zoo:Net", "history": [str(path)]}).to_json()
    study: Any = SimpleNamespace(id=1, data=None, code=None)
    cache: dict[Any, Any] = {}

    def learnt(*names: str) -> Lesson:
        found = [{"name": name, "source": name, "since": 1} for name in names]
        space = {name: SPEC["search_space"][name] for name in names}
        spec = parse_stored({**document, "search_space": space, "found": found})
        return learn(lab.storage, study, spec, "1", cache)

    first, second = learnt("rate"), learnt("rate", "units")
    assert (first.problem, first.known) == ("", 1)
    assert (second.problem, second.known) == ("", 2)
