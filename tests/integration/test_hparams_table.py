"""TensorBoard's own HPARAMS table is the database's table, whatever trials were like.

The real worker's writer and the real filer write the files, and a real TensorBoard is asked. The
bugs that others have there are in facts/peers.md, section 3D.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.board.lab import BoardLab, open_board_lab
from tests.support.board.tensorboard_api import TensorBoard, open_tensorboard
from tests.support.board.trials import BIG, LONG, SCRIPT, UNICODE
from tuner.roots import Place
from tuner.storage import tables
from tuner.tfevents import RunWriter
from tuner.tfevents.events import as_float32

pytestmark = pytest.mark.slow

STUDY = "lab/endings"
FEW, MANY = 100, 5000
#: Of a trial with 30 epochs and two curves.
MOST_BYTES = 10_000

Table = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Made:
    """A study that was logged, with what TensorBoard says of it."""

    lab: BoardLab
    board: TensorBoard
    shown: Table

    @property
    def folder(self) -> Path:
        return self.lab.log_root / STUDY


def _expected(lab: BoardLab) -> Table:
    """Return the table as the database has it: a row for each attempt that was begun."""
    t, a, s = tables.trials, tables.attempts, tables.studies
    with lab.storage.read() as connection:
        study = connection.execute(sa.select(s)).one()
        space = json.loads(study.spec_json)["search_space"]
        query = (
            sa.select(t, a.c.run_dir, a.c.id, a.c.state.label("attempt_state"), a.c.claimed)
            .join(a, sa.and_(a.c.study_id == t.c.study_id, a.c.number == t.c.number))
            .where(a.c.claimed.is_not(None))
        )
        return {Path(row.run_dir).name: _row(row, space) for row in connection.execute(query)}


def _row(row: sa.Row[Any], space: dict[str, Any]) -> dict[str, Any]:
    is_outcome = row.outcome_attempt == row.id
    is_value = is_outcome and row.state in ("complete", "pruned")
    ended = row.attempt_state in ("done", "failed", "lost", "cancelled")
    params = json.loads(row.params_json)
    return {
        "hparams": {name: _shown(space[name], value) for name, value in params.items()},
        "metrics": {"objective": as_float32(row.objective)} if is_value else {},
        "status": "SUCCESS" if is_value else "FAILURE" if ended else "UNKNOWN",
        "start": row.claimed,
    }


def _shown(definition: dict[str, Any], value: Any) -> Any:
    """Return a value as TensorBoard can tell it from all others: text where numbers cannot."""
    choices = definition.get("values", [definition.get("value")])
    kinds = {float if type(choice) is int else type(choice) for choice in choices}
    is_big = any(type(choice) is int and choice > 1 << 53 for choice in choices)
    return str(value) if len(kinds) > 1 or is_big else value


def _told(shown: Table) -> Table:
    """Return the fields of rows that the database knows too."""
    keys = ("hparams", "metrics", "status", "start")
    return {name: {key: row[key] for key in keys} for name, row in shown.items()}


def _made(home: Path, trials: int, epochs: int = 30) -> Iterator[Made]:
    with open_board_lab(home) as lab:
        lab.add_study(STUDY, trials, epochs=epochs)
        expected = _expected(lab)
        with open_tensorboard(lab.log_root / STUDY) as board:
            shown = board.wait_until(
                board.trials, lambda found: _told(found) == expected or len(found) > len(expected)
            )
            yield Made(lab, board, shown)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    yield from _made(tmp_path_factory.mktemp("few"), FEW)


def test_the_table_is_the_databases(made: Made) -> None:
    assert _told(made.shown) == _expected(made.lab)
    statuses = {row["status"] for row in made.shown.values()}
    assert statuses == {"SUCCESS", "FAILURE", "UNKNOWN"}
    values = {value for row in made.shown.values() for value in row["hparams"].values()}
    assert {SCRIPT, LONG, UNICODE, "True", "true", *map(str, BIG)} <= values


def test_the_table_of_5000_trials_is_the_databases_and_comes_in_one_answer(
    tmp_path: Path,
) -> None:
    # Short curves, of which the table shows nothing.
    for made in _made(tmp_path, MANY, epochs=6):
        assert _told(made.shown) == _expected(made.lab)
        assert len(made.shown) > MANY


def test_a_group_is_a_run_so_that_a_row_leads_to_its_curves(made: Made) -> None:
    for name, row in made.shown.items():
        assert row["sessions"] == [name]
    assert set(made.shown) <= set(made.board.runs())


def test_an_inactive_parameter_turns_no_column_into_text(made: Made) -> None:
    without = [row for row in made.shown.values() if "train.momentum" not in row["hparams"]]
    assert without
    types = {info["name"]: info["type"] for info in made.board.experiment()["hparamInfos"]}
    assert types["train.momentum"] == "DATA_TYPE_FLOAT64"
    assert types["train.learning_rate"] == "DATA_TYPE_FLOAT64"
    assert types["model.batch_norm"] == "DATA_TYPE_BOOL"
    assert types["data.seed"] == types["data.shuffle"] == "DATA_TYPE_STRING"


def test_every_column_can_be_sorted_by(made: Made) -> None:
    for info in made.board.experiment()["hparamInfos"]:
        assert len(made.board.session_groups(sort_by=info["name"])) == len(made.shown)


def test_every_success_has_its_objective_and_nothing_else_has_one(made: Made) -> None:
    for row in made.shown.values():
        assert (row["status"] == "SUCCESS") == ("objective" in row["metrics"])


def test_the_metric_is_the_value_told_and_not_the_last_report(tmp_path: Path) -> None:
    log_root = tmp_path / "logs"
    with closing(RunWriter(Place(log_root, "trial_00000"))) as writer:
        writer.start({"x": 1.0}, "trial_00000", 1000.0)
        for step, value in ((1, 0.5), (2, 0.9), (3, 0.1)):
            writer.scalars(step, {"objective": value, "score": value})
        writer.finish(0.9, "success")
    with open_tensorboard(log_root) as board:
        shown = board.wait_until(board.trials, lambda found: bool(found))
        assert shown["trial_00000"]["metrics"]["objective"] == as_float32(0.9)


def test_columns_are_there_before_any_trial(tmp_path: Path) -> None:
    with open_board_lab(tmp_path) as lab:
        lab.add_study(STUDY, 0)
        with open_tensorboard(lab.log_root / STUDY) as board:
            found = board.wait_until(board.experiment, lambda found: bool(found.get("hparamInfos")))
        names = {info["name"] for info in found["hparamInfos"]}
        assert {"train.learning_rate", "train.momentum", "data.seed"} <= names


def test_damaged_files_and_those_of_others_cost_no_other_row(tmp_path: Path) -> None:
    with open_board_lab(tmp_path) as lab:
        lab.add_study(STUDY, 12, live=0)
        folder = lab.log_root / STUDY
        runs = sorted(path for path in folder.iterdir() if path.name.startswith("trial_"))
        (damaged,) = runs[3].glob("events*")
        damaged.write_bytes(damaged.read_bytes()[:200])
        (runs[4] / "events.out.tfevents.9999999999.other").write_bytes(b"\x07garbage" * 50)
        expected = _expected(lab)
        with open_tensorboard(folder) as board:
            others = expected.keys() - {runs[3].name}
            shown = board.wait_until(board.trials, lambda found: found.keys() >= others)
        told = _told(shown)
        assert {name: told[name] for name in others} == {name: expected[name] for name in others}


def test_the_text_tab_has_the_best_trials_with_links(made: Made) -> None:
    (html,) = made.board.wait_until(
        lambda: made.board.texts("_study", "study/leaderboard"), lambda found: len(found) == 1
    )
    t = tables.trials
    query = sa.select(t.c.number).where(t.c.state == "complete").order_by(t.c.objective.desc())
    with made.lab.storage.read() as connection:
        best = connection.execute(query.limit(10)).scalars().all()
    linked = re.findall(r'href="#best_trials&amp;bt.study=lab%2Fendings&amp;bt.trials=(\d+)"', html)
    assert [int(number) for number in linked] == list(best)
    assert "learning_rate" in unescape(html)


def test_the_custom_scalars_have_the_charts_of_the_study(made: Made) -> None:
    layout = made.board.wait_until(made.board.layout, bool)
    charts = [chart["title"] for item in layout["category"] for chart in item["chart"]]
    assert charts == ["Best so far (val_accuracy)", "Objective (val_accuracy)", "val_accuracy"]


def test_the_tab_says_that_best_trials_is_next_door(made: Made) -> None:
    (metric,) = made.board.experiment()["metricInfos"]
    assert metric["displayName"] == "objective (val_accuracy); best first in the tab Best trials"


def test_a_trial_of_30_epochs_takes_10_kb(made: Made) -> None:
    sizes = {
        path: sum(file.stat().st_size for file in path.glob("events*"))
        for path in made.folder.iterdir()
        if path.name.startswith("trial_")
    }
    assert len(sizes) == len(made.shown)
    assert max(sizes.values()) <= MOST_BYTES
