"""What a person waits for in the tab Best trials, measured in headless Chromium."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.benchmarks.figure import median
from tests.browser.chromium import chromium
from tests.browser.tab import Tab
from tests.support.board.lab import BoardLab
from tests.support.board.tensorboard_api import TensorBoard
from tests.support.board.trials import plan_trial, search_space

_RATE = "params.train.learning_rate"
_TIMES = 7
_OPENINGS = 3
#: With 20 000 trials HPARAMS has not shown a row after two minutes.
STOCK_WITHIN_S = 120.0
_DRAG_STEPS = 60
#: Does something and resolves with the milliseconds until the rows are others and were painted.
_UNTIL_OTHER = """async ([act, text]) => {
  const rows = () => [...document.querySelectorAll('[role=row][data-trial]')]
    .map((row) => row.dataset.trial).join();
  const before = rows(), began = performance.now();
  if (act === 'sort') document.querySelector(`[role=columnheader][data-key="${text}"]`).click();
  else {
    const field = document.querySelector('#bt-search');
    field.value = text;
    field.dispatchEvent(new Event('input', { bubbles: true }));
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
  }
  while (rows() === before && performance.now() - began < 10000)
    await new Promise((resolve) => requestAnimationFrame(resolve));
  await new Promise((resolve) => requestAnimationFrame(resolve));
  return performance.now() - began;
}"""
#: Notes when the first row came, in milliseconds since the frame began to load.
_NOTE_FIRST_ROW = """new MutationObserver((_, observer) => {
  if (!document.querySelector('[role=row][data-trial]')) return;
  window.firstRowAt = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true, attributes: true })"""
_COUNT_FRAMES = """() => {
  window.framesSeen = 0;
  const count = () => { window.framesSeen += 1; requestAnimationFrame(count); };
  requestAnimationFrame(count);
}"""


@dataclass(frozen=True, kw_only=True)
class PageTimes:
    """The figures; seconds, milliseconds and frames a second as the names say."""

    first_page_s: float
    interactive_s: float
    stock_s: float
    sort_ms: float
    filter_ms: float
    brush_fps: float
    new_result_s: float


def measure_page(board: TensorBoard, study: str, lab: BoardLab) -> PageTimes:
    """Measure on a TensorBoard that has loaded the study."""
    with chromium() as browser:

        def cold() -> Tab:
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            context.set_default_timeout(120_000)
            return Tab(context.new_page(), board.url, "benchmark")

        cold().open(study=study).page.context.close()  # fills the disk cache
        first = median([_first_page(cold, study) for _ in range(_OPENINGS)])
        interactive = median([_interactive(cold, study) for _ in range(_OPENINGS)])
        stock = _stock(cold)
        tab = cold().open(study=study)
        sort = [_until_other(tab, "sort", _RATE) for _ in range(_TIMES)]
        words = [f"train.batch_size={size}" for size in (16, 32, 64, 128, 16, 32, 64)]
        filters = [_until_other(tab, "filter", word) for word in words]
        tab.page.context.close()
        return PageTimes(
            first_page_s=first,
            interactive_s=interactive,
            stock_s=stock,
            sort_ms=median(sort),
            filter_ms=median(filters),
            brush_fps=_brush(cold().open(study=study, plot="parallel")),
            new_result_s=_new_result(cold().open(study=study), study, lab),
        )


def _first_page(cold: Callable[[], Tab], study: str) -> float:
    """Return after how long the opened tab has a row, seconds."""
    tab = cold()
    # TensorBoard's own page takes seconds with so many runs: what counts begins with our frame.
    tab.page.add_init_script(_NOTE_FIRST_ROW)
    tab.open(study=study)
    first = float(tab.frame.evaluate("window.firstRowAt")) / 1000
    tab.page.context.close()
    return first


def _interactive(cold: Callable[[], Tab], study: str) -> float:
    """Return after how long a cold page has a table that was sorted, seconds."""
    tab = cold()
    began = time.perf_counter()
    tab.go(tab.address(study=study))
    tab.wait_state("ready")
    _until_other(tab, "sort", _RATE)
    lasted = time.perf_counter() - began
    tab.page.context.close()
    return lasted


def _stock(cold: Callable[[], Tab]) -> float:
    """Return after how long a cold page of HPARAMS has a row, seconds; infinite: after none."""
    tab = cold()
    began = time.perf_counter()
    tab.go(f"{tab.url}/#hparams")
    # Its cells lie in shadows, which a locator sees through; hidden lists hold the same names.
    rows = tab.page.get_by_text("trial_0").locator("visible=true")
    while not rows.count() and time.perf_counter() - began < STOCK_WITHIN_S:
        tab.page.wait_for_timeout(30)
    lasted = time.perf_counter() - began if rows.count() else math.inf
    tab.page.context.close()
    return lasted


def _until_other(tab: Tab, act: str, text: str) -> float:
    return float(tab.frame.evaluate(_UNTIL_OTHER, [act, text]))


def _brush(tab: Tab) -> float:
    """Drag along an axis and count the frames that were painted meanwhile."""
    tab.find('[data-drawn="parallel"]').wait_for()
    tab.rest(1.0)
    box: Any = tab.find(f'[data-axis="{_RATE}"]').first.bounding_box()
    x, top, height = box["x"] + box["width"] / 2, box["y"], box["height"]
    mouse = tab.page.mouse
    mouse.move(x, top + 0.1 * height)
    mouse.down()
    tab.frame.evaluate(_COUNT_FRAMES)
    began = time.perf_counter()
    for step in range(_DRAG_STEPS):
        mouse.move(x, top + height * (0.1 + 0.8 * step / _DRAG_STEPS))
        tab.page.wait_for_timeout(16)
    frames = tab.frame.evaluate("window.framesSeen")
    lasted = time.perf_counter() - began
    mouse.up()
    tab.page.context.close()
    return float(frames / lasted)


def _new_result(tab: Tab, study: str, lab: BoardLab) -> float:
    number = len(list((lab.log_root / study).glob("trial_*"))) + 1000
    before = tab.count()
    plan = plan_trial(number, search_space(20))
    lab.add_trials(study, [replace(plan, state="complete", values=(0.9999,))])
    began = time.perf_counter()
    tab.wait(lambda: tab.count() > before, "the new row", 60.0)
    return time.perf_counter() - began
