"""How a study ended, as Markdown for the page that a CI job shows."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.cli.render.output import duration, number, parameter
from tuner.cli.render.params import ordered
from tuner.cli.render.tables import counts_text, objectives
from tuner.errors import SetupError, TunerError
from tuner.visible import visible

if TYPE_CHECKING:
    from tuner.cli.following.gate import GateVerdict
    from tuner.client import ApiClient
    from tuner.documents.study import StudyStatus
    from tuner.documents.trial import TrialRow

#: Rows and parameters of the table, and signs of one text. GitHub takes a mebibyte in all.
MOST_ROWS, MOST_PARAMETERS, MOST_SIGNS = 10, 8, 200
_MARKS = re.compile(r"([\\`*_{}\[\]()#+!|~>@-])")
#: A colon makes a link of an address.
_ENTITIES = {"&": "&amp;", "<": "&lt;", ":": "&#58;"}


def require_writable(path: Path) -> None:
    """See that a summary can be written to `path`, before a study is submitted.

    Raises:
        SetupError: it cannot.
    """
    # Nothing is made yet: it might lie in the spec's folder, which is packed now.
    place = path if path.exists() else path.absolute().parent
    if path.is_dir() or not place.exists() or not os.access(place, os.W_OK):
        raise SetupError(f"--summary {path}: no file that can be written here")


def summary(status: StudyStatus, verdict: GateVerdict, rows: Sequence[TrialRow]) -> str:
    """Return the end of a study as Markdown.

    Names and values are of users and trials: nothing in them is markup here.

    Args:
        verdict: how the command ends.
    """
    outcome = verdict.outcome.replace("_", " ")
    lines = [f"### {text(status['study'])}: {outcome}", ""]
    said = verdict.text.removeprefix(f"{outcome}: ") or status["reason"]
    lines += [text(said), ""] if said else []
    lines += [*_table(status, rows[:MOST_ROWS]), ""] if rows else []
    lines.append(f"{counts_text(status['counts'])}; the study is {text(status['state'])}.")
    return "\n".join(lines) + "\n\n"


def append(path: Path, api: ApiClient, status: StudyStatus, verdict: GateVerdict) -> str:
    """Append the summary to a file; return what went wrong, nothing where it did not.

    The study is over by now, and how it ended is worth more than its summary.
    """
    try:
        rows = api.best(str(status["study"]), MOST_ROWS)
        with path.open("a", encoding="utf-8") as file:
            file.write(summary(status, verdict, rows))
    except (OSError, TunerError) as exc:
        return f"--summary {path}: {exc}"
    return ""


def text(value: object) -> str:
    """Return a text as one that Markdown shows and does not interpret, at most so long."""
    shown = visible(" ".join(str(value).split()))
    shown = shown if len(shown) <= MOST_SIGNS else shown[: MOST_SIGNS - 1] + "…"
    shown = _MARKS.sub(r"\\\1", shown)
    return "".join(_ENTITIES.get(sign, sign) for sign in shown)


def _table(status: StudyStatus, rows: Sequence[TrialRow]) -> list[str]:
    metrics = [str(metric["name"]) for metric in status["metrics"]]
    names = ordered((name for row in rows for name in row["params"]), ())[:MOST_PARAMETERS]
    head = ["trial", *metrics, "duration", *names]
    table = [head, ["---:"] * len(head)]
    for row in rows:
        values = [parameter(row["params"].get(name)) for name in names]
        took = duration(row["duration_s"])
        table.append([number(row["trial"]), *objectives(row, metrics), took, *values])
    # The line under the head is markup.
    shown = [row if at == 1 else [text(cell) for cell in row] for at, row in enumerate(table)]
    return [f"| {' | '.join(cells)} |" for cells in shown]
