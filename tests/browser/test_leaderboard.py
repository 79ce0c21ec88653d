"""The first screen: what a stranger sees at one glance."""

from __future__ import annotations

from tests.browser.conftest import Shared
from tests.browser.tab import Tab
from tests.support.board.trials import FAILED_TRIAL

RATE = "params.train.learning_rate"


def test_the_best_trial_comes_first_and_has_rank_one(tab: Tab, shared: Shared) -> None:
    best = shared.ranked()

    assert tab.trials()[:5] == [str(number) for number in best[:5]]
    assert tab.cell(best[0], "rank").startswith("1")
    tab.picture("first")


def test_every_trial_has_a_row_and_none_has_two(tab: Tab, shared: Shared) -> None:
    left = sum(plan.state != "waiting" for plan in shared.plans)
    assert tab.count() == left, "what waits has left nothing yet"
    assert len(tab.trials()) == len(set(tab.trials()))


def test_the_learning_rate_is_seen_without_scrolling(tab: Tab, shared: Shared) -> None:
    best = shared.ranked()[0]
    rate = shared.plans[best].params["train.learning_rate"]
    shown = tab.cell(best, RATE)
    box = tab.row(best).locator(f'[data-key="{RATE}"]').bounding_box()

    assert abs(float(shown) / rate - 1) < 0.01
    assert box is not None
    assert box["x"] + box["width"] <= 1280
    assert box["y"] + box["height"] <= 800


def test_why_trial_7_failed_stands_in_words(tab: Tab) -> None:
    tab.search("trial=7")
    tab.wait(lambda: tab.trials() == ["7"], "the one row")
    row = tab.row(FAILED_TRIAL).inner_text()

    assert "fail" in tab.cell(FAILED_TRIAL, "state").lower()
    assert "error" in row.lower()
    tab.open_details(FAILED_TRIAL)
    tab.wait(lambda: "the layer dense_3 has 4096 units" in tab.text(), "its whole reason")
    tab.picture("why")


def test_values_keep_their_types(tab: Tab, shared: Shared) -> None:
    best = shared.ranked()[0]
    params = shared.plans[best].params

    assert tab.cell(best, "params.train.batch_size") == str(params["train.batch_size"])
    assert tab.cell(best, "params.train.optimizer") == params["train.optimizer"]
    assert "." not in tab.cell(best, "params.model.layers")


def test_integers_beyond_what_a_float_holds_are_exact(tab: Tab, shared: Shared) -> None:
    tab.look(study="lab/endings", cols="trial,params.data.seed")

    for number in tab.trials()[:3]:
        assert tab.cell(number, "params.data.seed") == str(
            shared.plans[int(number)].params["data.seed"]
        )


def test_an_inactive_parameter_is_blank(tab: Tab, shared: Shared) -> None:
    key = "params.train.momentum"
    tab.look(study="lab/endings", cols=f"trial,{key}")
    shown = {number: tab.cell(number, key) for number in tab.trials()[:12]}

    for number, text in shown.items():
        assert bool(text) == ("train.momentum" in shared.plans[int(number)].params), number


def test_a_click_on_a_heading_sorts_and_another_turns_it(tab: Tab, shared: Shared) -> None:
    rates = {plan.number: plan.params["train.learning_rate"] for plan in shared.plans}
    upward = [str(n) for n in sorted(rates, key=lambda n: rates[n])]
    heading = tab.heading(RATE)
    heading.click()
    first = tab.wait(
        lambda: heading.get_attribute("aria-sort") not in (None, "none"), "it is sorted"
    )
    assert first
    tab.wait(lambda: tab.trials()[:3] in (upward[:3], upward[::-1][:3]), "sorted rows")
    way = heading.get_attribute("aria-sort")
    heading.click()
    tab.wait(lambda: heading.get_attribute("aria-sort") not in (way, None, "none"), "the other way")
    tab.wait(lambda: tab.trials()[:3] in (upward[:3], upward[::-1][:3]), "sorted rows")


def test_trials_without_a_value_are_last_in_both_directions(tab: Tab, shared: Shared) -> None:
    key = "params.train.momentum"
    for sort in (key, f"-{key}"):
        tab.look(study="lab/endings", sort=sort)
        tab.wait(lambda: tab.heading("rank").get_attribute("aria-sort") == "none", "sorted")
        assert "train.momentum" in shared.plans[int(tab.trials()[0])].params, sort
