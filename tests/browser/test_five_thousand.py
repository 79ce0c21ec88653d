"""The same at 5 000 trials of 20 parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import Shared, open_standing
from tests.browser.tab import Tab
from tests.support.board.lab import open_board_lab
from tests.support.board.tensorboard_api import open_tensorboard

pytestmark = pytest.mark.slow

RATE = "params.train.learning_rate"
TRIALS = 5_000


@pytest.fixture(scope="module")
def large(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with open_board_lab(tmp_path_factory.mktemp("large")) as lab:
        plans = lab.add_study("lab/endings", TRIALS, parameters=20, epochs=10, live=0)
        lab.file_studies(insights=True)
        with open_tensorboard(lab.log_root / "lab") as board:
            yield Shared(lab=lab, plans=plans, board=board)


@pytest.fixture(scope="module")
def standing(browser: Any, large: Shared) -> Iterator[Tab]:
    with open_standing(browser, large.board) as tab:
        tab.wait(lambda: tab.count() == TRIALS, "every trial", 300)
        yield tab


def test_the_best_trial_comes_first(tab: Tab, large: Shared) -> None:
    assert tab.trials()[:5] == [str(number) for number in large.ranked()[:5]]
    tab.picture("first")


def test_the_end_of_the_table_is_reached_by_the_keyboard(tab: Tab, large: Shared) -> None:
    tab.row(large.ranked()[0]).locator("[role=gridcell]").nth(1).focus()
    tab.page.keyboard.press("Control+End")
    rows = tab.find("[role=row][data-trial]")
    places = "a => a.map(e => Number(e.getAttribute('aria-rowindex')))"

    # The heading is the first row.
    tab.wait(lambda: max(rows.evaluate_all(places), default=0) == TRIALS + 1, "the last row")


def test_a_search_is_answered(tab: Tab, large: Shared) -> None:
    wanted = [
        p for p in large.plans if p.params["train.batch_size"] == 64 and p.state == "complete"
    ]
    tab.search("train.batch_size=64 state:complete")

    tab.wait(lambda: tab.count() == len(wanted), f"{len(wanted)} rows")


def test_every_column_can_be_sorted_by(tab: Tab) -> None:
    for key in tab.columns()[:6]:
        tab.heading(key).click()
        tab.wait(
            lambda key=key: tab.heading(key).get_attribute("aria-sort") != "none",
            key,
        )
    assert tab.count() == TRIALS


def test_the_curves_of_a_trial_are_right_above_500_runs(tab: Tab, large: Shared) -> None:
    best = large.ranked()[0]
    tab.open_details(best)
    tab.details.get_by_role("link", name=re.compile("time series|curves", re.I)).first.click()
    tab.wait(lambda: "#timeseries" in tab.page.url, "the other tab")
    boxes = tab.page.locator("runs-data-table input[type=checkbox]")

    tab.wait(
        lambda: boxes.count() == 2 and boxes.last.is_checked(), "that run alone, selected", 120
    )
    tab.picture("curves")


@pytest.mark.parametrize("plot", ["progress", "parallel", "slices", "importance"])
def test_a_plot_is_drawn(tab: Tab, plot: str) -> None:
    tab.find(f"#bt-tab-{plot}").click()
    tab.find(f'[data-drawn="{plot}"]').wait_for()
    tab.rest()
    tab.picture(plot)
