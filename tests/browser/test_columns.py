"""Which columns there are, their order, and the filter of each: chosen by the user."""

from __future__ import annotations

from tests.browser.conftest import Shared
from tests.browser.tab import Tab

SEED = "params.data.seed"


def test_a_column_is_found_shown_moved_and_left_out(tab: Tab) -> None:
    before = ["rank", "trial", "objective"]
    tab.look(study="lab/endings", cols=",".join(before))
    tab.wait(lambda: tab.columns() == before, "these alone")
    tab.frame.get_by_role("button", name="Columns").click()
    tab.frame.get_by_role("searchbox", name="Find a column").fill("seed")
    box = tab.frame.get_by_role("checkbox", name="data.seed")
    box.check()
    tab.wait(lambda: tab.columns() == [*before, SEED], "the column behind the others")
    tab.frame.get_by_role("button", name="Move data.seed left").click()
    tab.wait(lambda: tab.columns() == [*before[:-1], SEED, before[-1]], "one place to the left")
    tab.picture("columns")

    assert "bt.cols=" in tab.hash(), "a link has them"
    box.uncheck()
    tab.wait(lambda: tab.columns() == before, "the columns of before")
    tab.frame.get_by_role("button", name="Done").click()


def test_the_columns_of_the_beginning_come_back(tab: Tab) -> None:
    before = tab.columns()
    tab.look(study="lab/endings", cols="trial,state")
    tab.wait(lambda: tab.columns() == ["trial", "state"], "these alone")
    tab.frame.get_by_role("button", name="Columns").click()
    tab.frame.get_by_role("button", name="By importance").click()
    tab.wait(lambda: tab.columns() == before, "all of before")
    tab.frame.get_by_role("button", name="Done").click()


def test_the_parameters_stand_by_their_importance(tab: Tab) -> None:
    shares = [
        float(heading.partition("importance ")[2].partition(" %")[0])
        for heading in tab.find("[role=columnheader][data-key^='params.']").evaluate_all(
            "a => a.map(e => e.getAttribute('aria-label'))"
        )
        if "importance" in heading
    ]

    assert len(shares) > 2, "the coordinator has computed it"
    assert shares == sorted(shares, reverse=True)


def test_the_keyboard_moves_a_column(tab: Tab) -> None:
    before = tab.columns()
    tab.heading(before[3]).focus()
    tab.page.keyboard.press("Shift+ArrowLeft")

    moved = [*before[:2], before[3], before[2], *before[4:]]
    tab.wait(lambda: tab.columns() == moved, "one place to the left")


def test_a_range_is_filtered_from_its_heading_and_stands_in_the_search(
    tab: Tab, shared: Shared
) -> None:
    key = "train.learning_rate"
    wanted = {str(p.number) for p in shared.plans if p.params[key] >= 0.001}
    tab.frame.get_by_role("button", name=f"Filter {key}").click()
    tab.frame.get_by_role("textbox", name="at least").fill("0.001")
    tab.frame.get_by_role("button", name="Filter", exact=True).click()

    left = {number for number in wanted if shared.plans[int(number)].state != "waiting"}
    tab.wait(lambda: tab.count() == len(left), f"{len(left)} rows")
    assert tab.find("#bt-search").input_value() == f"{key}>=0.001"
    tab.frame.get_by_role("button", name=f"Filter {key}").click()
    tab.frame.get_by_role("button", name="No filter").click()
    tab.wait(lambda: tab.find("#bt-search").input_value() == "", "the search of before")


def test_states_are_filtered_by_choice(tab: Tab, shared: Shared) -> None:
    wanted = {str(plan.number) for plan in shared.plans if plan.state == "fail"}
    tab.frame.get_by_role("button", name="Filter State").click()
    for state in ("complete", "pruned", "running", "waiting"):
        tab.frame.get_by_role("checkbox", name=state).uncheck()
    tab.picture("filter")
    tab.frame.get_by_role("button", name="Filter", exact=True).click()

    tab.wait(lambda: set(tab.trials()) == wanted, f"the rows {wanted}")
