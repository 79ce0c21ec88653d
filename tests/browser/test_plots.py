"""Plots, comparison, advice and what can be taken away."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.browser.conftest import OpenTab, Shared
from tests.browser.tab import Tab

#: Every plot that a study with one metric has.
PLOTS = ("progress", "curves", "parallel", "slices", "importance")


def draw(tab: Tab, plot: str) -> None:
    tab.find(f'[data-plot="{plot}"]').click()
    tab.find(f'[data-drawn="{plot}"]').wait_for()
    tab.rest()
    tab.picture(plot)


@pytest.mark.parametrize("plot", PLOTS)
def test_a_plot_is_drawn_and_stands_in_the_address(tab: Tab, plot: str) -> None:
    draw(tab, plot)

    assert f"bt.plot={plot}" in tab.hash()


def test_a_study_with_two_metrics_has_its_front(tab: Tab) -> None:
    tab.look(study="lab/fronts")
    draw(tab, "pareto")


def test_the_first_screen_needs_no_plot(open_tab: OpenTab, shared: Shared) -> None:
    tab = open_tab(shared.board)
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    tab.open(study="lab/endings")

    assert not [url for url in asked if "plotly" in url or "/plots/parallel" in url]


def test_parallel_coordinates_keep_trials_with_inactive_parameters(tab: Tab) -> None:
    draw(tab, "parallel")

    # Its texts are drawn; of the axes that are there it says how many lines each has.
    assert tab.find('[data-axis="params.train.momentum"]').count() == 1
    assert f"{tab.count()}" in tab.find("[data-part=plot]").inner_text(), "every trial has a line"


def test_advice_says_what_matters_and_whether_to_go_on(tab: Tab) -> None:
    advice = tab.find("[data-part=advice]")
    draw(tab, "importance")
    tab.wait(lambda: "What matters" in advice.inner_text(), "advice")
    said = advice.inner_text()

    assert "train.learning_rate" in said
    assert "Is it worth going on?" in said
    advice.scroll_into_view_if_needed()
    tab.picture("advice")


def test_parallel_coordinates_brush_the_table_and_stand_in_the_search(tab: Tab) -> None:
    draw(tab, "parallel")
    tab.find('[data-axis="params.train.learning_rate"]').focus()
    tab.page.keyboard.press("Enter")
    for _ in range(3):
        tab.page.keyboard.press("Alt+ArrowDown")

    search = tab.find("#bt-search")
    tab.wait(lambda: "train.learning_rate" in search.input_value(), "the brush in the search")
    tab.wait(lambda: 0 < tab.count() < 48, "fewer rows")
    tab.picture("brushed")


def test_two_trials_are_compared_by_what_differs(tab: Tab, shared: Shared) -> None:
    first, second = shared.ranked()[:2]
    for number in (first, second):
        tab.row(number).locator("input[type=checkbox]").check()
    tab.frame.get_by_role("button", name="Compare").click()
    compare = tab.find("[data-part=compare]")
    tab.wait(lambda: "train.learning_rate" in compare.inner_text(), "the parameters that differ")

    assert str(first) in compare.inner_text()
    assert "model.activation" not in compare.inner_text().split("train.learning_rate")[0]
    tab.picture("compare")


def take_away(tab: Tab, what: str, folder: Path) -> Path:
    tab.frame.get_by_role("button", name="Take away").click()
    with tab.page.expect_download() as download:
        tab.frame.get_by_role("menuitem", name=what).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_the_table_is_taken_away_as_csv(tab: Tab, shared: Shared, tmp_path: Path) -> None:
    path = take_away(tab, "CSV of", tmp_path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))

    assert len(rows) == 48
    assert rows[0]["trial"] == str(shared.ranked()[0])


def test_the_table_is_taken_away_as_json(tab: Tab, shared: Shared, tmp_path: Path) -> None:
    document = json.loads(take_away(tab, "JSON of", tmp_path).read_text())
    rows = document["rows"] if isinstance(document, dict) else document

    assert rows[0]["trial"] == shared.ranked()[0]


def test_a_configuration_is_taken_away_as_yaml(tab: Tab, shared: Shared, tmp_path: Path) -> None:
    best = shared.ranked()[0]
    tab.row(best).locator("input[type=checkbox]").check()
    text = take_away(tab, "YAML to run", tmp_path).read_text()

    assert YAML(typ="safe").load(text)
    assert repr(shared.plans[best].params["train.learning_rate"]) in text


def test_the_report_opens_without_a_server(tab: Tab, shared: Shared, tmp_path: Path) -> None:
    path = take_away(tab, "Report of the study", tmp_path)
    page = tab.page.context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    text = page.inner_text("body")

    assert f"{shared.ranked()[0]}" in text
    assert "train.learning_rate" in text
    assert not [url for url in asked if url.startswith("http")], "it needs nothing from elsewhere"
    assert page.title() != "run"
