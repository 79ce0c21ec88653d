"""Links into the tab Best trials, for commands that name a study."""

from __future__ import annotations

from urllib.parse import quote

from tuner.cli.calling import command
from tuner.local.boards import board_of
from tuner.settings import Settings


def tab_link(url: str, study: str | None = None) -> str:
    """Return the link that opens the tab, on a study or on the list of all.

    Args:
        url: of TensorBoard, without a slash at its end.
        study: project/study; None: the list.
    """
    chosen = "" if study is None else f"&bt.study={quote(study, safe='')}"
    return f"{url}/#best_trials{chosen}"


def way_to_board(settings: Settings, study: str) -> str:
    """Return the link to a study where a TensorBoard shows it, else the command that opens one."""
    board = board_of(settings, study)
    return command("board", study) if board is None else tab_link(board.url, study)
