"""The tab's table of a study of this service's is what the study did."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.board.lab import BoardLab
from tests.support.board.trials import Plan
from tuner.board.best_trials.answers.importance import importance_document
from tuner.board.best_trials.answers.page import (
    column_document,
    row_document,
    sort_rows,
    study_document,
)
from tuner.board.best_trials.studies.catalogue import Catalogue
from tuner.board.best_trials.studies.own import OwnStudy
from tuner.board.best_trials.table.model import Row, Table
from tuner.roots import Place

STUDY = "lab/endings"


class Scene:
    """A log root with a study in it, and the tab's catalogue of it."""

    def __init__(self, lab: BoardLab, plans: list[Plan], tmp_path: Path) -> None:
        self.root = tmp_path / "logs"
        shutil.copytree(lab.log_root, self.root)
        self.folder = self.root / STUDY
        self.plans = {plan.number: plan for plan in plans}
        self.catalogue = Catalogue(Place(self.root))

    def table(self, study: str = STUDY) -> Table:
        self.catalogue.refresh()
        found = self.catalogue.table(study)
        assert found is not None, self.catalogue.tables()
        return found

    def row(self, number: int) -> Row:
        return next(row for row in self.table().rows if row.trial == number)

    def run(self, number: int) -> Path:
        return max(self.folder.glob(f"trial_{number:05d}-*"))

    def complete(self) -> int:
        return next(n for n, plan in self.plans.items() if plan.state == "complete")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BoardLab, list[Plan]]]:
    with closing(BoardLab(tmp_path_factory.mktemp("lab") / "home")) as lab:
        yield lab, lab.add_study(STUDY)


@pytest.fixture
def scene(made: tuple[BoardLab, list[Plan]], tmp_path: Path) -> Scene:
    return Scene(*made, tmp_path)


def test_the_best_trial_is_first_and_ranks_follow_the_goal(scene: Scene) -> None:
    ended = {n: plan.values[0] for n, plan in scene.plans.items() if plan.state == "complete"}
    wanted = sorted(ended, key=lambda n: (-ended[n], n))

    ranked = [row for row in scene.table().rows if row.rank is not None]

    assert [row.trial for row in ranked] == wanted
    assert [row.rank for row in ranked] == list(range(1, len(wanted) + 1))
    assert [row.objective for row in ranked] == [ended[n] for n in wanted]


def test_every_trial_that_left_files_is_there_once_with_its_state_and_typed_parameters(
    scene: Scene,
) -> None:
    begun = {n: plan for n, plan in scene.plans.items() if any(t.is_claimed for t in plan.tries)}
    rows = scene.table().rows

    assert sorted(row.trial for row in rows if row.trial is not None) == sorted(begun)
    for row in rows:
        plan = begun[row.trial or 0]
        assert row.state == plan.state or {row.state, plan.state} <= {"running", "waiting"}
        assert dict(row.params) == plan.params
        assert [type(v) for v in row.params.values()] == [type(row.params[k]) for k in row.params]
        assert all(type(row.params[k]) is type(v) for k, v in plan.params.items())


def test_a_failed_trial_says_its_cause_and_why(scene: Scene) -> None:
    row = scene.row(7)

    assert (row.state, row.cause, row.rank) == ("fail", "error", None)
    assert "dense_3 has 4096 units" in row.reason


def test_a_trial_that_ran_again_is_one_row_that_counts_its_attempts(scene: Scene) -> None:
    again = [n for n, plan in scene.plans.items() if len(plan.tries) > 1 and plan.state != "fail"]
    assert again
    for number in again:
        tries = scene.plans[number].tries
        begun = sum(t.is_claimed for t in tries)
        assert scene.row(number).attempts in (begun, len(tries))


def test_columns_have_types_ranges_and_conditions(scene: Scene) -> None:
    columns = {column.key: column for column in scene.table().columns}

    rate = columns["params.train.learning_rate"]
    assert (rate.type, rate.low, rate.high, rate.log) == ("float", 1e-05, 0.1, True)
    assert columns["params.train.batch_size"].values == (16, 32, 64, 128)
    assert columns["params.train.momentum"].conditional
    assert columns["params.model.activation"].constant
    assert next(iter(columns)) == "rank"


def test_a_result_that_comes_is_there_after_the_next_round(scene: Scene) -> None:
    number = scene.complete()
    record = scene.run(number) / "trial.json"
    kept = record.read_text()
    record.unlink()
    assert scene.row(number).state == "running"
    before = scene.table().version

    record.write_text(kept)

    assert scene.row(number).state == "complete"
    assert scene.table().version > before


def test_nothing_new_is_no_new_version(scene: Scene) -> None:
    assert scene.table().version == scene.table().version


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 90_000, '{"values": 7, "params": [1]}'])
def test_a_damaged_record_takes_nothing_from_the_others(scene: Scene, content: str) -> None:
    number = scene.complete()
    (scene.run(number) / "trial.json").write_text(content)

    rows = scene.table().rows

    assert len(rows) == len(Scene.table(scene).rows)
    assert [row.state for row in rows if row.trial == number] in (["running"], ["waiting"])


@pytest.mark.parametrize("name", ["trial.json", "config.json"])
def test_pipes_and_links_are_never_opened(scene: Scene, name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"outcome": "COMPLETE", "params": {"secret": 1}}))
    one, other = scene.run(scene.complete()) / name, scene.run(7) / name
    for path in (one, other):
        path.unlink()
    os.mkfifo(one)
    other.symlink_to(secret)

    assert not any("secret" in row.params for row in scene.table().rows)


def test_a_study_of_an_older_release_has_its_metric_from_its_runs(scene: Scene) -> None:
    (scene.folder / "_study" / "study.json").unlink()
    for run in scene.folder.glob("trial_*"):
        if not (run / "trial.json").exists():
            shutil.rmtree(run)

    table = scene.table()

    assert (table.metrics[0].name, table.goal) == ("val_accuracy", "maximize")
    assert table.rows[0].rank == 1


def test_a_study_that_is_deleted_goes_and_one_that_comes_is_found(scene: Scene) -> None:
    scene.table()
    scene.folder.rename(scene.root / "lab" / "later")

    scene.catalogue._find_at = 0.0
    scene.catalogue.refresh()

    assert scene.catalogue.table(STUDY) is None
    assert scene.table("lab/later").rows


def test_a_board_of_one_study_names_its_runs_below_it(scene: Scene) -> None:
    scene.catalogue = Catalogue(Place(scene.root, STUDY))

    assert scene.table().rows[0].run.startswith("trial_")


def test_of_several_metrics_the_front_is_first(tmp_path: Path) -> None:
    with closing(BoardLab(tmp_path / "home")) as lab:
        plans = lab.add_study(STUDY, 30, metrics=2)
        scene = Scene(lab, plans, tmp_path)
    values = {plan.number: plan.values for plan in plans if plan.state == "complete"}
    front = {
        n
        for n, (a, b) in values.items()
        if not any(x >= a and y <= b and (x, y) != (a, b) for x, y in values.values())
    }

    rows = scene.table().rows

    assert {row.trial for row in rows if row.rank == 1} == front
    assert {row.trial for row in rows[: len(front)]} == front


def test_numbers_that_a_browser_would_round_are_sent_as_text(scene: Scene) -> None:
    row = Row(trial=1, run="r", state="complete", params={"n": 2**53 + 1, "is": True, "t": "true"})

    assert row_document(row)["params"] == {
        "n": {"int": "9007199254740993"},
        "is": True,
        "t": "true",
    }


def test_rows_without_a_value_are_last_in_both_directions(scene: Scene) -> None:
    rows = scene.table().rows
    for descending in (False, True):
        ordered = sort_rows(rows, "params.train.momentum", descending=descending)
        values = [row.value("params.train.momentum") for row in ordered]
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=descending)
        assert values[len(known) :] == [None] * (len(values) - len(known))


def test_a_list_of_studies_says_how_each_stands(scene: Scene) -> None:
    document = study_document(scene.table())

    assert document["trials"] == sum(document["counts"].values())
    assert document["best"]["trial"] == scene.table().rows[0].trial
    assert document["state"] == "running"


def test_trials_that_wait_are_counted_though_they_have_no_files(scene: Scene) -> None:
    waiting = [plan for plan in scene.plans.values() if plan.state == "waiting"]

    assert study_document(scene.table())["counts"]["waiting"] == len(waiting) > 0


def test_a_study_is_shown_while_the_rest_of_it_is_loaded(tmp_path: Path) -> None:
    for number in range(600):
        run = tmp_path / "logs" / STUDY / f"trial_{number:05d}-20261128T210640Z"
        run.mkdir(parents=True)
        (run / "trial.json").write_text('{"outcome": "COMPLETE", "objective": 0.5}')
    study = OwnStudy(Place(tmp_path / "logs" / STUDY), STUDY, f"{STUDY}/")

    shown = [len(study.table.rows) for _ in study.refresh()]

    assert {250, 500} < set(shown)
    assert shown[-1] == 600


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(("name", "type", "values", "trial", "low")), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(
        st.sampled_from(("metrics", "parameters", "order", "counts", "state", "history",
                         "importance", "updated", "reason", "edges", "advice")), JSON,
    ),
    st.dictionaries(
        st.sampled_from(("outcome", "objective", "values", "metrics", "params", "attempts",
                         "cause", "error", "stop", "started", "is_outcome")), JSON,
    ),
)  # fmt: skip
def test_files_of_any_form_make_a_table_that_can_be_sent(
    tmp_path: Path, summary: dict[str, object], record: dict[str, object]
) -> None:
    folder = tmp_path / "logs"
    for run, files in {
        "_study": {"study.json": summary, "insights.json": summary},
        "trial_00000-20261128T210640Z": {"trial.json": {"outcome": "COMPLETE", **record}},
        "trial_00001-20261128T210640Z": {"config.json": record},
    }.items():
        (folder / run).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / run / name).write_text(json.dumps(content))
    study = OwnStudy(Place(folder), STUDY, "")

    for _ in study.refresh():
        pass

    rows = study.table.rows
    assert {row.trial for row in rows} == {0, 1}
    json.dumps([study_document(study.table), importance_document(study)])
    json.dumps([column_document(column) for column in study.table.columns])
    json.dumps([row_document(row) for row in rows])


def test_choices_that_are_nested_deep_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "_study").mkdir()
    deep = "[" * 900 + "]" * 900
    text = '{"parameters": [{"name": "rate", "values": [1, ' + deep + ', "a", true, null]}]}'
    (tmp_path / "_study" / "study.json").write_text(text)
    study = OwnStudy(Place(tmp_path), STUDY, "")

    for _ in study.refresh():
        pass

    assert study.table.columns[-1].values == (1, "a", True, None)
