"""A browser, boards, and tabs in which nothing may be complained of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import chromium_or_skip
from tests.browser.tab import Tab
from tests.support.board.lab import BoardLab, open_board_lab
from tests.support.board.process import open_tuner_board
from tests.support.board.tensorboard_api import TensorBoard, open_tensorboard
from tests.support.board.trials import Plan

#: What a tab is opened with: a board, and the window's size and other settings of playwright.
OpenTab = Callable[..., Tab]
#: Starts TensorBoard on a folder.
BoardOf = Callable[[Path], TensorBoard]


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """A browser. While it runs, playwright runs a loop in this thread, and nobody else can.

    So none is there when the tests of another folder have their turn.
    """
    with chromium_or_skip() as browser:
        yield browser


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A home that nobody adds to, what its trials were to do, and TensorBoard on it.

    Attributes:
        lab: holds the studies lab/endings, and lab/fronts with two metrics, of 50 trials each.
        plans: of lab/endings, by number.
        board: on the folder of the project.
    """

    lab: BoardLab
    plans: list[Plan]
    board: TensorBoard

    def ranked(self) -> list[int]:
        """Return the complete trials of lab/endings, best first."""
        complete = [plan for plan in self.plans if plan.state == "complete"]
        return [plan.number for plan in sorted(complete, key=lambda p: (-p.values[0], p.number))]


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with open_board_lab(tmp_path_factory.mktemp("lab")) as lab:
        plans = lab.add_study("lab/endings", 50)
        lab.add_study("lab/fronts", 50, metrics=2, live=0, state="finished")
        lab.file_studies(insights=True)
        with open_tuner_board(lab.home, "lab") as board:
            yield Shared(lab=lab, plans=plans, board=board)


@pytest.fixture
def open_tab(browser: Any, board_of: BoardOf, request: pytest.FixtureRequest) -> Iterator[OpenTab]:
    """Open a tab on a board; at the end nothing must have been complained of.

    Boards end after the tabs that look at them.
    """
    name = _name(request)
    tabs: list[Tab] = []
    with ExitStack() as stack:

        def open_(board: TensorBoard, **settings: Any) -> Tab:
            settings = {"viewport": {"width": 1280, "height": 800}, **settings}
            context = browser.new_context(**settings)
            stack.callback(context.close)
            context.set_default_timeout(60_000)
            tabs.append(Tab(context.new_page(), board.url, name))
            return tabs[-1]

        yield open_
        for tab in tabs:
            tab.picture("end")
    complaints = [complaint for tab in tabs for complaint in tab.complaints]
    assert not complaints, "the browser complains: " + "\n".join(complaints)


@contextmanager
def open_standing(browser: Any, board: TensorBoard) -> Iterator[Tab]:
    """Open a tab on lab/endings for many tests: TensorBoard's page takes seconds to load."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    context.set_default_timeout(60_000)
    yield Tab(context.new_page(), board.url, "standing").open(study="lab/endings")
    context.close()


@pytest.fixture(scope="package")
def standing(browser: Any, shared: Shared) -> Iterator[Tab]:
    """A tab that is opened once."""
    with open_standing(browser, shared.board) as tab:
        yield tab


@pytest.fixture
def tab(standing: Tab, request: pytest.FixtureRequest) -> Iterator[Tab]:
    """The tab on lab/endings as it is when it is opened, in a page that other tests have used."""
    standing.name = _name(request)
    standing.complaints.clear()
    standing.look(study="lab/endings")
    yield standing
    standing.picture("end")
    complaints = list(standing.complaints)
    assert not complaints, "the browser complains: " + "\n".join(complaints)


@pytest.fixture
def board_of() -> Iterator[BoardOf]:
    """Start TensorBoard on a folder."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(open_tensorboard(folder))


def _name(request: pytest.FixtureRequest) -> str:
    """Return what a test's pictures are called."""
    return re.sub(r"\W+", "-", request.node.name).strip("-")
