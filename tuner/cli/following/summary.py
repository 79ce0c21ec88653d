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

#: Maximum number of rows and parameters in the table, and of characters in one text. GitHub accepts
#: a mebibyte in total.
MOST_ROWS, MOST_PARAMETERS, MOST_SIGNS = 10, 8, 200
_MARKS = re.compile(r"([\\`*_{}\[\]()#+!|~>@-])")
#: A colon turns an address into a link.
_ENTITIES = {"&": "&amp;", "<": "&lt;", ":": "&#58;"}


def require_writable(path: Path) -> None:
    """Check that a summary can be written to `path`, before a study is submitted.

    Raises:
        SetupError: it cannot.
    """
    # Nothing is created yet: it might be in the spec's folder, which is about to be packed.
    place = path if path.exists() else path.absolute().parent
    if path.is_dir() or not place.exists() or not os.access(place, os.W_OK):
        raise SetupError(f"--summary {path}: no file that can be written here")


def summary(status: StudyStatus, verdict: GateVerdict, rows: Sequence[TrialRow]) -> str:
    """Return how a study ended, as Markdown.

    Names and values come from users and trials: nothing in them is interpreted as markup.

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
    """Append the summary to a file; return the error, empty if there was none.

    The study has ended by now, and its exit code matters more than its summary.
    """
    try:
        rows = api.best(str(status["study"]), MOST_ROWS)
        with path.open("a", encoding="utf-8") as file:
            file.write(summary(status, verdict, rows))
    except (OSError, TunerError) as exc:
        return f"--summary {path}: {exc}"
    return ""


def text(value: object) -> str:
    """Return a text that Markdown shows literally, cut at the maximum length."""
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
    # The line below the header is markup.
    shown = [row if at == 1 else [text(cell) for cell in row] for at, row in enumerate(table)]
    return [f"| {' | '.join(cells)} |" for cells in shown]
