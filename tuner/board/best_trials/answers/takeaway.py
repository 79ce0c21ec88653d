"""The table as files for others: CSV, JSON, and YAML that runs a configuration again."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from werkzeug import wrappers

from tuner.board.best_trials.answers.compare import chosen_rows
from tuner.board.best_trials.answers.requests import Query, dump, plain
from tuner.board.best_trials.table.model import Row, Table
from tuner.visible import escape_json

FORMATS = ("csv", "json", "yaml")
_KINDS = {"csv": "text/csv", "json": "application/json", "yaml": "text/plain"}
#: Maximum number of rows in a file; fewer in YAML, because somebody has to run them.
MOST_ROWS, MOST_TO_RUN = 200_000, 100
#: First characters of a cell that make a spreadsheet interpret it as a formula.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


def takeaway_answer(query: Query, table: Table, rows: Sequence[Row]) -> wrappers.Response:
    """Answer `takeaway?format&trials` with a file to save.

    Args:
        query: `format` is csv, json or yaml; `trials` names the trials, otherwise all `rows`.
        rows: those that the search has found, in the table's order.

    Raises:
        ProblemError: a trial does not exist, or the format is unknown.
    """
    kind = query.one_of("format", FORMATS, "csv")
    names = query.words("trials", MOST_TO_RUN)
    chosen = chosen_rows(table, names, least=1, most=MOST_TO_RUN) if names else rows[:MOST_ROWS]
    if kind == "yaml":
        content = to_yaml(table, chosen if names else chosen[:1])
    else:
        content = to_csv(table, chosen) if kind == "csv" else to_json(table, chosen)
    name = _UNFIT.sub("-", table.study).strip("-.") or "trials"
    return plain(query.request, content, _KINDS[kind], f"{name}.{kind}")


def to_csv(table: Table, rows: Sequence[Row]) -> str:
    """Return the rows as comma-separated values, with one column for each of the table's.

    A text that a spreadsheet would interpret as a formula is prefixed with an apostrophe.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_cell(column.key) for column in table.columns)
    for row in rows:
        writer.writerow([_cell(row.value(column.key)) for column in table.columns])
    return file.getvalue()


def to_json(table: Table, rows: Sequence[Row]) -> str:
    """Return the rows as JSON: values have their types, absent ones are left out."""
    goals = [{"name": metric.name, "goal": metric.goal} for metric in table.metrics]
    documents = [
        {
            "trial": row.trial,
            "run": row.run,
            "rank": row.rank,
            "state": row.state,
            "cause": row.cause or None,
            "objective": row.objective,
            "values": list(row.values) or None,
            "params": dict(row.params),
            "metrics": dict(row.metrics),
            "attempts": row.attempts,
            "started": row.started or None,
            "duration_s": row.duration_s,
        }
        for row in rows
    ]
    return dump({"study": table.study, "metrics": goals, "rows": documents}, indent=1) + "\n"


def to_yaml(table: Table, rows: Sequence[Row]) -> str:
    """Return the part of a spec that runs these configurations again, each with its result."""
    lines = [
        "# Put this into a spec to begin with these configurations: each becomes a trial.",
        "# For that alone set  budget: {trials: " + str(len(rows)) + "}.",
        "start_with:",
    ]
    for row in rows:
        what = f"trial {row.trial}" if row.trial is not None else f"run {_yaml(row.run)}"
        reached = "" if row.objective is None else f", objective {row.objective!r}"
        lines.append(f"  # {what} of {_yaml(table.study)}: {row.state}{reached}")
        # JSON is valid YAML, and texts stay texts whatever they contain.
        pairs = [f"{_yaml(name)}: {_yaml(value)}" for name, value in row.params.items()]
        lines += ["  - {" + ",\n     ".join(pairs) + "}"]
    return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    """Return a value on one line of YAML: JSON is valid YAML, except for surrogate halves."""
    return escape_json(json.dumps(value, ensure_ascii=False, default=str))


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return "" if value is None else value
