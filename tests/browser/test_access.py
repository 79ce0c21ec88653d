"""Keyboard, screen reader, dark, narrow."""

from __future__ import annotations

import importlib.resources
from typing import Any

import pytest

from tests.browser.conftest import OpenTab, Shared
from tests.browser.tab import Tab

pytestmark = pytest.mark.slow

_SCRIPT = "axe.min.js"
#: The rules of WCAG 2.2 at level AA, and what axe counts as good practice.
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: Of a whole page: ours is a frame in TensorBoard's.
_OF_PAGES = {"page-has-heading-one": {"enabled": False}, "region": {"enabled": False}}


def faults(tab: Tab) -> list[str]:
    """Return what axe finds wrong in the tab."""
    script = (importlib.resources.files("axe_playwright_python") / _SCRIPT).read_text()
    frame = tab.frame
    # As the driver's own code: TensorBoard's rules for content forbid scripts from elsewhere.
    frame.evaluate(f"() => {{ {script} }}")
    found: dict[str, Any] = frame.evaluate(
        "options => axe.run(document, options)",
        {
            "runOnly": {"type": "tag", "values": _RULES},
            "rules": _OF_PAGES,
            "resultTypes": ["violations"],
        },
    )
    return [
        f"{fault['id']}: {fault['help']}: {node['html'][:200]}"
        for fault in found["violations"]
        for node in fault["nodes"][:3]
    ]


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing_in_the_table_and_the_details(
    tab: Tab, shared: Shared, theme: str
) -> None:
    tab.look(study="lab/endings", theme=theme)
    assert faults(tab) == []
    tab.open_details(shared.ranked()[0])
    tab.details.wait_for()
    assert faults(tab) == []
    tab.picture(theme)


def test_everything_can_be_reached_with_the_keyboard(tab: Tab, shared: Shared) -> None:
    grid = tab.find("[role=grid]")
    keyboard = tab.page.keyboard
    tab.find("#bt-search").focus()
    for _ in range(30):
        keyboard.press("Tab")
        if grid.evaluate("g => g.contains(document.activeElement)"):
            break
    assert grid.evaluate("g => g.contains(document.activeElement)"), "Tab leads into the table"
    keyboard.press("Control+Home")
    keyboard.press("ArrowDown")
    focused = "document.activeElement.closest('[data-trial]')?.dataset.trial"
    first = tab.frame.evaluate(focused)
    keyboard.press("ArrowDown")
    assert (first, tab.frame.evaluate(focused)) == tuple(tab.trials()[:2])
    keyboard.press("Enter")
    tab.details.wait_for()
    keyboard.press("Escape")
    tab.wait(lambda: not tab.details.is_visible(), "Escape closes the details")
    assert tab.frame.evaluate(focused) == tab.trials()[1], "and the focus is where it was"


@pytest.mark.parametrize("width", [390, pytest.param(1000, marks=pytest.mark.slow)])
def test_nothing_is_wider_than_the_window(open_tab: OpenTab, shared: Shared, width: int) -> None:
    tab = open_tab(shared.board, viewport={"width": width, "height": 800}).open(study="lab/endings")
    wide = tab.frame.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")

    assert wide[0] <= wide[1]
    best = tab.row(shared.ranked()[0])
    objective = best.locator('[data-key="objective"]').bounding_box()
    assert best.is_visible()
    assert objective is not None
    assert objective["x"] + objective["width"] <= width, "the result is seen without scrolling"
    tab.picture(str(width))


def test_dark_follows_tensorboard(open_tab: OpenTab, shared: Shared) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        tab = open_tab(shared.board, color_scheme=scheme)
        tab.page.goto(shared.board.url)
        tab.page.evaluate(
            "s => localStorage.setItem('_tb_global_settings', JSON.stringify({theme: s}))", scheme
        )
        tab.open(study="lab/endings")
        tab.rest()
        shades[scheme] = tab.frame.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3)"
            ".reduce((sum, part) => sum + Number(part), 0)"
        )
        tab.picture(scheme)
    assert shades["dark"] < 200 < 600 < shades["light"]
