"""Directories that others wrote: each shows a table or says in a sentence what is the matter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import BoardOf, OpenTab
from tests.browser.tab import Tab
from tests.support.board.foreign import HOSTILE, HOSTILE_NAMES, RECORDED, copy_recorded

pytestmark = pytest.mark.slow

#: How many trials each tool has left, as the importer of history counts them.
TRIALS = {
    "keras_callback": 3,
    "keras_by_hand": 2,
    "keras_tuner": 8,
    "tensorboardx": 4,
    "optuna_callback": 3,
}
#: Those that have no trial, and a word that the sentence must hold.
SENTENCES = {"empty": "no ", "no_hparams": "hparams"}
#: Rows of the others, at least.
ROWS = {
    "nan_everywhere": 3, "unlogged_metric": 3, "two_studies": 2, "garbage": 1,
    "hostile_names": len(HOSTILE_NAMES), "pipes_and_links": 1, "many_columns": 3,
    "giant_file": 1, "many_runs": 100,
}  # fmt: skip
#: These take TensorBoard itself long.
LONG = pytest.mark.slow


def opened(open_tab: OpenTab, board_of: BoardOf, folder: Path) -> Tab:
    return open_tab(board_of(folder)).open()


@pytest.mark.parametrize(
    "name", ["tensorboardx", *(pytest.param(n, marks=LONG) for n in TRIALS if n != "tensorboardx")]
)
def test_what_a_tool_wrote_is_a_table_with_its_parameters(
    open_tab: OpenTab, board_of: BoardOf, tmp_path: Path, name: str
) -> None:
    copy_recorded(name, tmp_path / "logs")
    tab = opened(open_tab, board_of, tmp_path / "logs")

    tab.wait(lambda: tab.count() == TRIALS[name], f"{TRIALS[name]} trials")
    assert any(key.startswith("params.") for key in tab.columns())
    assert any(cell.strip() for cell in tab.find('[data-key="objective"]').all_inner_texts()[1:])
    tab.picture(name)
    assert set(RECORDED) == set(TRIALS)


@pytest.mark.parametrize(
    "name",
    [
        "hostile_names",
        *(pytest.param(n, marks=LONG) for n in [*SENTENCES, *ROWS] if n != "hostile_names"),
    ],
)
def test_a_hostile_folder_is_a_table_or_a_sentence(
    open_tab: OpenTab, board_of: BoardOf, tmp_path: Path, name: str
) -> None:
    HOSTILE[name](tmp_path / "logs")
    tab = opened(open_tab, board_of, tmp_path / "logs")

    if name in SENTENCES:
        tab.wait(lambda: SENTENCES[name] in tab.text().lower(), "a sentence")
    else:
        tab.wait(lambda: tab.find("[role=grid]").count() and tab.count() >= ROWS[name], "rows", 120)
        assert tab.trials()
    tab.picture(name)
    assert "Traceback" not in tab.text()
    assert "undefined" not in tab.text()
    assert "run" not in (tab.page.title(), tab.frame.evaluate("document.title")), "no script ran"
    assert tab.find("[role=grid] :is(script, img, svg[onload])").count() == 0
    assert {*SENTENCES, *ROWS} == set(HOSTILE)


def test_the_metric_and_the_goal_of_a_foreign_log_are_chosen_by_the_user(
    open_tab: OpenTab, board_of: BoardOf, tmp_path: Path
) -> None:
    copy_recorded("tensorboardx", tmp_path / "logs")
    board = board_of(tmp_path / "logs")
    orders = []
    for goal in ("minimize", "maximize"):
        tab = open_tab(board).open(metric="hparam/loss", goal=goal)
        tab.wait(lambda tab=tab: tab.count() == 4, "the trials")
        orders.append(tab.trials())

    assert orders[0] == orders[1][::-1]
