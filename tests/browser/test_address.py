"""The address holds the view, and rows lead to curves and files."""

from __future__ import annotations

import re
from urllib.parse import unquote

from tests.browser.conftest import OpenTab, Shared
from tests.browser.tab import Tab

RATE = "params.train.learning_rate"
BATCH = "params.train.batch_size"


def test_an_address_reproduces_the_view(tab: Tab, open_tab: OpenTab, shared: Shared) -> None:
    view = {
        "study": "lab/endings",
        "sort": RATE,
        "q": "train.batch_size=64",
        "cols": f"trial,{BATCH},{RATE}",
    }
    tab.look(**view)
    rows = tab.trials()
    second = open_tab(shared.board)
    second.go(f"{tab.url}/{tab.hash()}")
    second.wait_state("ready")

    assert second.trials() == rows
    assert [key for key in second.columns() if key.startswith(("trial", "params"))] == [
        "trial",
        BATCH,
        RATE,
    ]
    assert {shared.plans[int(n)].params["train.batch_size"] for n in rows} == {64}


def test_what_is_done_stands_in_the_address(tab: Tab) -> None:
    tab.search("train.optimizer=adam")
    tab.heading(RATE).click()

    tab.wait(lambda: "bt.q=" in tab.hash() and "bt.sort=" in tab.hash(), "both in the address")
    assert "train.optimizer=adam" in unquote(tab.hash())


def test_back_returns_to_the_study_before(tab: Tab) -> None:
    before = tab.trials()
    tab.find("#bt-study").select_option("lab/fronts")
    tab.wait(lambda: "fronts" in tab.hash() and tab.trials() not in ([], before), "the other study")
    tab.page.go_back()

    tab.wait(lambda: tab.trials() == before, "the study before")


def test_the_curves_of_a_trial_open_in_time_series(tab: Tab, shared: Shared) -> None:
    best = shared.ranked()[0]
    tab.open_details(best)
    tab.details.get_by_role("link", name=re.compile("time series|curves", re.I)).first.click()

    tab.wait(lambda: "#timeseries" in tab.page.url, "the other tab")
    name = f"trial_{best:05d}"
    tab.wait(lambda: name in tab.page.inner_text("body"), "the run's name")
    boxes = tab.page.locator("runs-data-table input[type=checkbox]")
    tab.wait(lambda: boxes.count() == 2 and boxes.last.is_checked(), "that run, selected")
    tab.picture("curves")


def test_a_row_leads_to_its_configuration_and_output(tab: Tab, shared: Shared) -> None:
    best = shared.ranked()[0]
    tab.open_details(best)
    for name, text in (("config.json", '"train.learning_rate"'), ("output", "ended well")):
        link = tab.details.get_by_role("link", name=re.compile(name, re.I)).first
        address = link.get_attribute("href")
        answer = tab.page.request.get(
            f"{tab.frame.url.split('/data/')[0]}/data/plugin/best_trials/{address.lstrip('./')}"
        )
        assert answer.status == 200, address
        assert text in answer.text()
        assert answer.headers["x-content-type-options"] == "nosniff"
