"""What comes while the tab is looked at."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.browser.conftest import BoardOf, OpenTab
from tests.support.board.lab import open_board_lab
from tests.support.board.tensorboard_api import open_tensorboard
from tests.support.board.trials import plan_trial, search_space

pytestmark = pytest.mark.slow

BETTER = 0.999


def test_a_new_best_trial_comes_by_itself_and_the_view_stays(
    open_tab: OpenTab, board_of: BoardOf, tmp_path: Path
) -> None:
    with open_board_lab(tmp_path) as lab:
        lab.add_study("lab/live", 60, live=0)
        tab = open_tab(board_of(lab.log_root / "lab" / "live")).open(q="state:complete")
        chosen = tab.trials()[1]
        tab.row(chosen).locator("input[type=checkbox]").check()
        before = tab.count()
        plan = plan_trial(60, search_space(12))
        tries = (replace(plan.tries[0], points=((1, BETTER, {}),)),)
        lab.add_trials("lab/live", [replace(plan, state="complete", tries=tries, values=(BETTER,))])

        tab.wait(lambda: tab.count() == before + 1, "the new trial")
        assert tab.trials()[0] == "60"
        assert tab.find("#bt-search").input_value() == "state:complete"
        assert tab.row(chosen).locator("input[type=checkbox]").is_checked()


def test_a_study_that_is_deleted_meanwhile_leaves_a_sentence(
    open_tab: OpenTab, board_of: BoardOf, tmp_path: Path
) -> None:
    with open_board_lab(tmp_path) as lab:
        lab.add_study("lab/gone", 10, live=0)
        folder = lab.log_root / "lab" / "gone"
        tab = open_tab(board_of(folder)).open()
        assert tab.count() == 10
        shutil.rmtree(folder)
        tab.search("state:complete")

        tab.wait_state("ready", "message")
        assert "Traceback" not in tab.text()
        assert len(tab.text()) > 20, "never an empty page"


def test_a_tensorboard_that_ends_is_said_and_what_was_shown_stays(
    open_tab: OpenTab, tmp_path: Path
) -> None:
    with open_board_lab(tmp_path) as lab:
        lab.add_study("lab/left", 10)
        with open_tensorboard(lab.log_root / "lab" / "left") as board:
            tab = open_tab(board).open()
        rows = tab.trials()
        tab.wait(lambda: "does not answer" in tab.text(), "what is the matter", 60)

        assert tab.trials() == rows
        tab.picture("away")
        # The refused requests are what the test is about.
        tab.complaints.clear()
