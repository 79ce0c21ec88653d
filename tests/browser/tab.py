"""The tab Best trials in a real TensorBoard in a real browser, as a person uses it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from tests.patience import clock

Answer = TypeVar("Answer")

#: A folder that is to get the pictures; none: none are taken.
SCREENSHOTS = "TUNER_TEST_SCREENSHOTS"
_FRAME = "best_trials"


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
        self._name = name
        #: What the browser complained of: errors, faults of scripts, refused content.
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("requestfailed", self._failed)

    def open(self, **view: str) -> Tab:
        """Open the tab and wait until it shows something; `view` are keys of its address."""
        self.go(self.address(**view))
        self.wait_state("ready", "empty", "error")
        return self

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
        """Return the state of the tab once it is one of these: loading, ready, empty or error."""
        return self.wait(
            lambda: (found := self.state()) in states and found, f"state {states}", timeout_s
        )

    def state(self) -> str:
        """Return what the tab says of itself; empty while there is no tab."""
        for frame in self.page.frames:
            if _FRAME in frame.url:
                return str(frame.evaluate("document.body?.dataset.state ?? ''"))
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
        row = f'[role=row][data-trial="{trial}"]'
        return str(self.find(f'{row} [data-key="{key}"]').first.inner_text()).strip()

    def row(self, trial: int | str) -> Any:
        """Return the row of a trial."""
        return self.find(f'[role=row][data-trial="{trial}"]')

    def count(self) -> int:
        """Return how many rows the table has, whether they are in the page or not."""
        return int(self.find("[role=grid]").get_attribute("aria-rowcount")) - 1

    def search(self, text: str) -> None:
        """Type a search and end it with Enter."""
        field = self.find("input[type=search]").first
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
        path = Path(folder) / f"{self._name}-{what}.png"
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
        if message.type == "error" and _FRAME in said:
            self.complaints.append(said)

    def _failed(self, request: Any) -> None:
        # What is called off when the page goes elsewhere is no fault.
        if "best_trials" in request.url and "ERR_ABORTED" not in (request.failure or ""):
            self.complaints.append(f"{request.url}: {request.failure}")
