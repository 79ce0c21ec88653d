"""What could not be written to a study's log root: what is in the way, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.markup import escape

from tuner.cli.render.output import moment

if TYPE_CHECKING:
    from tuner.documents.unfiled import Unfiled

_LABEL = "files"
_NAMES = {
    "run": "the files of a run",
    "study": "the study's own run for TensorBoard",
    "checkpoints": "checkpoints that trial.keep removes",
    "root": "all files",
}


def unfiled_facts(documents: Sequence[Unfiled], total: int) -> list[tuple[str, RenderableType]]:
    """Return the lines of a page; none if nothing is missing.

    Args:
        documents: some of what could not be written, as the service returns it.
        total: how many there are.
    """
    lines = [line for document in documents for line in _lines(document)]
    if total > len(documents):
        lines.append(f"[quiet]and {total - len(documents)} more[/]")
    return [("" if at else _LABEL, line) for at, line in enumerate(lines)]


def _lines(document: Unfiled) -> list[str]:
    what = _NAMES.get(document["kind"], document["kind"])
    if document["trial"] is not None:
        what = f"the files of trial {document['trial']}"
    reason = escape(document["reason"])
    since = moment(document["since"])
    if document["waiting"]:
        return [
            f"[warn]no answer from the file system since {since}, for {what}[/]",
            f"[quiet]{reason}[/]",
            "[quiet]look at the mount: what is missing is written as soon as it answers[/]",
        ]
    next_try = moment(document["next_try"])
    verb = "cannot be removed" if document["kind"] == "checkpoints" else "cannot be written"
    return [
        f"[warn]{what} {verb} since {since}[/]",
        f"[quiet]{reason}[/]",
        f"[quiet]remove or rename what stands there; next try after {next_try}[/]",
    ]
