"""Links to the Best trials tab, for commands that name a study."""

from __future__ import annotations

from urllib.parse import quote

from tuner.cli.calling import command
from tuner.local.boards import board_of
from tuner.settings import Settings


def tab_link(url: str, study: str | None = None) -> str:
    """Return the link that opens the tab for a study, or for the list of all.

    Args:
        url: TensorBoard's URL, without a trailing slash.
        study: project/study; None: the list.
    """
    chosen = "" if study is None else f"&bt.study={quote(study, safe='')}"
    return f"{url}/#best_trials{chosen}"


def way_to_board(settings: Settings, study: str) -> str:
    """Return the link to a study in a running TensorBoard, else the command that starts one."""
    board = board_of(settings, study)
    return command("board", study) if board is None else tab_link(board.url, study)
