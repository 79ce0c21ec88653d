"""Filters: typed, with their mistakes named."""

from __future__ import annotations

from tests.browser.conftest import Shared
from tests.browser.tab import Tab


def test_terms_are_joined(tab: Tab, shared: Shared) -> None:
    wanted = {
        str(plan.number)
        for plan in shared.plans
        if plan.params["train.batch_size"] == 64 and plan.state == "complete"
    }
    tab.search("train.batch_size=64 state:complete")

    tab.wait(lambda: set(tab.trials()) == wanted, f"the rows {wanted}")
    assert tab.count() == len(wanted)
    tab.picture("filtered")


def test_a_state_is_asked_for_in_words(tab: Tab, shared: Shared) -> None:
    wanted = {str(plan.number) for plan in shared.plans if plan.state == "pruned"}
    tab.search("state:pruned")

    tab.wait(lambda: set(tab.trials()) == wanted, f"the rows {wanted}")


def test_a_mistake_is_named_with_the_nearest_name(tab: Tab) -> None:
    tab.search("train.batchsize=64")

    said = tab.find("#bt-mistakes")
    tab.wait(lambda: "train.batch_size" in said.inner_text(), "the name")
    tab.picture("mistake")
    assert tab.count() == 48, "the rest of the search holds"


def test_a_search_that_finds_nothing_says_so(tab: Tab) -> None:
    tab.search("train.batch_size=17")

    tab.wait(lambda: tab.find(".bt-message").is_visible(), "a sentence")
    assert "No trial" in tab.said
    tab.picture("nothing")


def test_a_search_is_never_html(tab: Tab) -> None:
    tab.search("<img src=x onerror=\"document.title='run'\">")
    tab.rest()

    assert tab.find("img[src=x]").count() == 0
    assert tab.frame.evaluate("document.title") != "run"
