"""Hostile log directories, shown by a real `tuner board`: bounded time and memory, nothing else.

What the pages make of them is in tests/browser/test_foreign.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.board.foreign import HOSTILE
from tests.support.board.lab import open_board_lab
from tests.support.board.process import family_mb, open_tuner_board
from tests.support.board.tensorboard_api import TensorBoard
from tests.support.patience import clock

pytestmark = pytest.mark.slow

#: One answer may take so long, on a machine with an idle core.
ANSWER_S = 5.0
#: All of `tuner board`: TensorBoard, its data server, the tab.
MOST_MB = 1_500.0
#: The others take TensorBoard itself long.
FAST = ("hostile_names", "garbage", "pipes_and_links")
SECRET = "a secret outside"
Show = Callable[..., TensorBoard]


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Show]:
    """Start `tuner board` on a folder."""
    with ExitStack() as stack:
        yield lambda *target, home=tmp_path / "home": stack.enter_context(
            open_tuner_board(home, *target)
        )


def ask(board: TensorBoard, route: str, **parameters: Any) -> httpx.Response:
    """Ask, and see to it that the answer comes in time and is no fault of the server."""
    began = clock()
    url = f"{board.url}/data/plugin/best_trials/{route}"
    answer = httpx.get(url, params=parameters, timeout=120.0, trust_env=False)
    assert clock() - began < ANSWER_S, f"{route} {parameters} took too long"
    assert answer.status_code in (200, 400, 404), f"{route} {parameters}: {answer.text[:500]}"
    assert answer.headers["x-content-type-options"] == "nosniff"
    # A trial's own traceback may stand in its reason; that of a server names whole paths.
    assert not re.search(r'File \\?"/', answer.text), answer.text[:2000]
    assert SECRET not in answer.text
    return answer


@pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in HOSTILE]
)
def test_a_hostile_folder_costs_bounded_time_and_memory(
    show: Show, tmp_path: Path, name: str
) -> None:
    HOSTILE[name](tmp_path / "logs")
    board = show(tmp_path / "logs")

    def loaded() -> dict[str, Any]:
        studies: dict[str, Any] = ask(board, "studies").json()
        return studies

    studies = board.wait_until(loaded, lambda answer: not answer["loading"], 300)
    for study in [*(row["study"] for row in studies["studies"][:5]), "no/such-study", ""]:
        for route in ("trials", "points", "curves", "importance", "compare"):
            ask(board, route, study=study, trials="0,1", limit=100)
    assert family_mb(board.pid) < MOST_MB


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TensorBoard, Path]]:
    """A board on a study, one of whose runs has only links to a secret."""
    home = tmp_path_factory.mktemp("linked") / "home"
    with open_board_lab(home) as lab:
        lab.add_study("lab/linked", 12)
        runs = sorted((lab.log_root / "lab" / "linked").glob("trial_*"))
        secret = home.parent / "secret.txt"
        secret.write_text(SECRET)
        for name in ("config.json", "trial.json", "output.log"):
            (runs[0] / name).unlink()
            (runs[0] / name).symlink_to(secret)
        (runs[0].parent / "trial_99999-20261128T000000Z").symlink_to(home.parent)
    with open_tuner_board(home, "lab/linked") as board:
        yield board, runs[0]


RUNS = (
    "..", "../..", "../../..", "/", "/etc", "trial_99999-20261128T000000Z", ".", "", "\0",
    "_study/..", "%2e%2e", "..%2f..", "a" * 5000,
)  # fmt: skip
NAMES = (
    "config.json", "trial.json", "output.log", "secret.txt", "../secret.txt", "/etc/passwd",
    "../../../../../../etc/passwd", "", "\0", "study.json", "tuner.db", "token",
)  # fmt: skip


def test_no_file_outside_the_log_root_is_served(linked: tuple[TensorBoard, Path]) -> None:
    board, run = linked
    for folder in (run.name, *RUNS):
        for name in NAMES:
            if (folder, name) == (".", "study.json"):
                continue
            answer = ask(board, "file", study="lab/linked", run=folder, name=name)
            assert "root:" not in answer.text, (folder, name)
            if folder != run.name:
                assert answer.status_code != 200, (folder, name)


@pytest.mark.parametrize(
    "path", ["../plugin.py", "..%2fplugin.py", "%2e%2e/plugin.py", "/etc/passwd", "."]
)
def test_no_file_beside_the_scripts_is_served(linked: tuple[TensorBoard, Path], path: str) -> None:
    board, _ = linked
    url = f"{board.url}/data/plugin/best_trials/static/{path}"
    answer = httpx.get(url, timeout=30.0, trust_env=False)

    assert answer.status_code == 404
    assert "import" not in answer.text


PARAMETERS: dict[str, tuple[str, ...]] = {
    "study": ("", "../..", "\0", "a" * 10_000, "lab/linked/../linked", "<script>"),
    "sort": ("nobody", "-", "params.", "__proto__", "a" * 10_000, "-params.train.momentum"),
    "order": ("up", "", "asc", "desc"),
    "query": ("(((", '"', "a" * 50_000, "\ud7ff", "x>1e999", "-", ":", "=" * 1000, "((a+)+)+$"),
    "offset": ("-1", "1e9", "9" * 400, "nan", "99999999"),
    "limit": ("0", "-5", "1e9", "1001", "nan", ""),
    "metric": ("nobody", "", "a" * 10_000),
    "goal": ("best", ""),
    "value": ("first", ""),
    "columns": ("nobody", ",".join(["rank"] * 5_000)),
    "trials": ("1,2,3,4,5,6,7", "x", "-1", "9" * 400, "," * 5_000),
    "runs": ("..", "x" * 10_000),
    "tag": ("nobody", ""),
    "points": ("0", "-1", "1e9"),
    "tail": ("-1", "1e12", "x"),
    "format": ("exe", ""),
}
ROUTES = (
    "studies", "trials", "points", "curves", "importance", "compare", "file", "report", "takeaway",
)  # fmt: skip
#: Asked in the fast part; together they take every parameter.
FIRST = ("trials", "curves", "file")


@pytest.mark.parametrize(
    "route", [r if r in FIRST else pytest.param(r, marks=pytest.mark.slow) for r in ROUTES]
)
def test_whatever_a_parameter_is_the_answer_is_in_time_and_no_fault(
    linked: tuple[TensorBoard, Path], route: str
) -> None:
    board, run = linked
    right = {"study": "lab/linked", "trials": "1,2", "run": run.name, "name": "config.json"}
    for name, values in PARAMETERS.items():
        for value in values:
            ask(board, route, **{**right, name: value})
