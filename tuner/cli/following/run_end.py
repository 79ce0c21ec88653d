"""The last output of `tuner run`: the best trials, how the study ended, and the next command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from tuner.cli.arguments import settings
from tuner.cli.calling import command, near
from tuner.cli.exit_codes import DONE, FAILED
from tuner.cli.reading.board_link import way_to_board
from tuner.cli.render.output import err, out
from tuner.cli.render.study import headings

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.study import StudyStatus


def say_closed(api: ApiClient, status: StudyStatus) -> int:
    """Show the table of a study that had ended, and how to continue. Returns the exit code."""
    out().print()
    headings.print_best(out(), api, status)
    reason = f" ({status['reason']})" if status["reason"] else ""
    if status["state"] == "finished":
        out().print(f"{status['study']}: finished{reason}; raise budget.trials to continue")
        return DONE
    out().print(f"[bad]{status['study']}: {status['state']}[/]{escape(reason)}")
    return FAILED


def say_end(api: ApiClient, status: StudyStatus) -> int:
    """Say how a study ended. Returns the exit code."""
    study = status["study"]
    out().print()
    headings.print_best(out(), api, status)
    style = "good" if status["state"] == "finished" else "bad"
    reason = f" ({escape(status['reason'])})" if status["reason"] else ""
    out().print(f"[{style}]{study}: {status['state']}[/]{reason}")
    out().print(f"TensorBoard: [name]{escape(way_to_board(settings(), study))}[/]", soft_wrap=True)
    complete = status["counts"]["complete"]
    return DONE if status["state"] == "finished" and complete else FAILED


def say_paused(api: ApiClient, status: StudyStatus, path: Path, again: str) -> int:
    """Say why a study was paused, and how to continue. Returns the exit code.

    Args:
        again: the command that runs it.
    """
    study, spec = status["study"], near(path)
    failed = api.trials(study, "fail", 1)
    if failed:
        error = api.show(study, failed[0]["trial"])["error"]
        err().print(escape(error.strip()), style="quiet", soft_wrap=True)
    reason = status["reason"].replace("--spec SPEC", f"--spec {spec}")
    err().print(f"[bad]{study}: paused[/]: {escape(reason)}", soft_wrap=True)
    if "tuner resume" not in reason:
        mended = f"{command('retry', study, '--spec')} {spec}"
        err().print(
            f"with corrected code: {escape(mended)}; "
            f"continue anyway: {escape(command('resume', study))}",
            soft_wrap=True,
        )
    err().print(f"then, or at once to continue anyway: {escape(again)}", soft_wrap=True)
    return FAILED
