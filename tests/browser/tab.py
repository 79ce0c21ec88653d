"""The tab Best trials in a real TensorBoard in a real browser, as a person uses it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from tests.support.patience import clock

Answer = TypeVar("Answer")

#: A folder that is to get the pictures; none: none are taken.
SCREENSHOTS = "TUNER_TEST_SCREENSHOTS"
#: In the address of its frame; the page's own has the name in its hash.
_FRAME = "plugin_entry.html?name=best_trials"

#: What is shown: while something is read, nothing of it is there to be looked at.
_STATE = """() => {
  const seen = (name) => [...document.querySelectorAll(name)].find((e) => e.checkVisibility());
  if (seen('[role=grid]') && seen('[role=row][data-trial]')) return 'ready';
  const said = seen('.bt-message h2')?.textContent ?? '';
  return said && !said.startsWith('Reading') ? 'message' : '';
}"""


class Tab:
    """A page on TensorBoard. Mutable: it goes where the person goes.

    Args:
        page: of playwright.
        url: of TensorBoard, without a path.
        name: of the test, for pictures.
    """

    def __init__(self, page: Any, url: str, name: str) -> None:
        self.page = page
        self.url = url.rstrip("/")
        self.name = name
        #: What the browser complained of: errors, faults of scripts, refused content.
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("requestfailed", self._failed)

    def open(self, **view: str) -> Tab:
        """Open the tab and wait until it shows something; `view` are keys of its address."""
        self.go(self.address(**view))
        self.wait_state("ready", "message")
        return self

    def look(self, **view: str) -> None:
        """Change the view of the open tab by its address, as a link or Back does; no reload."""
        wanted = self.address(**view).partition("#")[2]
        self.page.evaluate("hash => { location.hash = hash }", wanted)
        self.rest(0.2)
        self.wait_state("ready", "message")
        self.wait(lambda: not self.find("[aria-busy=true]").count(), "an answer")

    def address(self, **view: str) -> str:
        """Return the address of a view."""
        keys = "".join(
            f"&{urlencode({f'bt.{key}': value}, quote_via=quote)}" for key, value in view.items()
        )
        return f"{self.url}/#best_trials{keys}"

    def go(self, address: str) -> None:
        """Load an address from the start, even if only its hash differs."""
        self.page.goto("about:blank")
        self.page.goto(address, wait_until="commit")

    @property
    def frame(self) -> Any:
        """The frame of the tab, which TensorBoard makes when it is opened first."""
        return self.wait(
            lambda: next((f for f in self.page.frames if _FRAME in f.url), None),
            "the frame of the tab",
        )

    def find(self, selector: str) -> Any:
        """Return what there is of a selector in the tab, now and later."""
        return self.frame.locator(selector)

    def wait(self, ask: Callable[[], Answer], what: str, timeout_s: float = 30.0) -> Answer:
        """Return the first true answer."""
        deadline = clock() + timeout_s
        while not (answer := ask()):
            if clock() > deadline:
                self.picture("late")
                raise AssertionError(f"{what}: not within {timeout_s:g} s; {self.complaints}")
            self.page.wait_for_timeout(30)
        return answer

    def wait_state(self, *states: str, timeout_s: float = 60.0) -> str:
        """Return the state of the tab once it is one of these; see `state`."""
        is_right = lambda: (found := self.state()) in states and found  # noqa: E731
        return str(self.wait(is_right, f"state {states}", timeout_s))

    def state(self) -> str:
        """Return "ready" where rows are seen, "message" where a sentence is instead, else ""."""
        for frame in self.page.frames:
            if _FRAME in frame.url:
                return str(frame.evaluate(_STATE))
        return ""

    def columns(self) -> list[str]:
        """Return the columns that are shown, in their order."""
        return self.find("[role=columnheader][data-key]").evaluate_all(
            "a => a.map(e => e.dataset.key)"
        )

    def trials(self) -> list[str]:
        """Return the trials of the rows that are in the page, from above."""
        return self.find("[role=row][data-trial]").evaluate_all(
            "a => a.map(e => [e.getBoundingClientRect().top, e.dataset.trial])"
            ".sort((x, y) => x[0] - y[0]).map(x => x[1])"
        )

    def cell(self, trial: int | str, key: str) -> str:
        """Return the text of a cell as it is seen."""
        return str(self.row(trial).locator(f'[data-key="{key}"]').first.inner_text()).strip()

    def row(self, trial: int | str) -> Any:
        """Return the row of a trial."""
        return self.find(f'[role=row][data-trial="{trial}"]')

    def heading(self, key: str) -> Any:
        """Return the heading of a column."""
        return self.find(f'[role=columnheader][data-key="{key}"]')

    def open_details(self, trial: int | str) -> Any:
        """Open the details of a trial, and return them."""
        self.row(trial).locator("[role=gridcell]").nth(1).click()
        self.details.wait_for()
        return self.details

    @property
    def details(self) -> Any:
        """Return where the details of a trial are."""
        return self.find(".bt-detail")

    @property
    def said(self) -> str:
        """What stands in place of the table."""
        return str(self.find(".bt-message").inner_text())

    def count(self) -> int:
        """Return how many rows the table has, whether they are in the page or not."""
        return int(self.find("[role=grid]").get_attribute("aria-rowcount")) - 1

    def search(self, text: str) -> None:
        """Type a search and end it with Enter."""
        field = self.find("#bt-search")
        field.fill(text)
        field.press("Enter")

    def text(self) -> str:
        """Return everything that is seen in the tab."""
        return str(self.frame.evaluate("document.body.innerText"))

    def hash(self) -> str:
        """Return the hash of TensorBoard's own address."""
        return str(self.page.evaluate("location.hash"))

    def picture(self, what: str) -> Path | None:
        """Take a picture of the window, where pictures are wanted."""
        folder = os.environ.get(SCREENSHOTS)
        if not folder:
            return None
        Path(folder).mkdir(parents=True, exist_ok=True)
        path = Path(folder) / f"{self.name}-{what}.png"
        self.page.screenshot(path=path)
        return path

    def rest(self, seconds: float = 0.3) -> None:
        """Let the page do what it does by itself."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.page.wait_for_timeout(30)

    def _console(self, message: Any) -> None:
        # TensorBoard's own pages complain as well, of a curve that is not a number for example.
        said = f"{message.text} ({message.location.get('url', '')})"
        if message.type == "error" and "best_trials" in said:
            self.complaints.append(said)

    def _failed(self, request: Any) -> None:
        # What is called off when the page goes elsewhere is no fault.
        if "best_trials" in request.url and "ERR_ABORTED" not in (request.failure or ""):
            self.complaints.append(f"{request.url}: {request.failure}")
