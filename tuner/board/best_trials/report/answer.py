"""The route `report`: a study as one HTML file, made from what the tab itself shows."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from werkzeug import wrappers

from tuner.board.best_trials.answers.curves import curves_document
from tuner.board.best_trials.answers.files import CONFIG, read_file
from tuner.board.best_trials.answers.page import column_document, encode, row_document
from tuner.board.best_trials.answers.requests import ProblemError, Query, plain
from tuner.board.best_trials.answers.takeaway import to_yaml
from tuner.board.best_trials.report.document import (
    ENVIRONMENT,
    MOST_POINT_COLUMNS,
    MOST_POINTS,
    MOST_ROWS,
    Report,
    report_page,
)
from tuner.board.best_trials.studies.foreign import Foreign
from tuner.board.best_trials.table.model import Table
from tuner.roots import Place

if TYPE_CHECKING:
    from tuner.documents.study_folder.found import ShownInsightsKey

#: Number of curves with names, and of further ones in grey.
_CURVES, _GREY = 5, 50
#: Facts that the plots need in addition to the parameters.
_FACTS = ("cause", "reason", "started", "duration_s", "history")
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


def report_answer(
    query: Query,
    table: Table,
    study: Mapping[str, Any],
    insights: Mapping[ShownInsightsKey, Any],
    foreign: Foreign,
    base: Place,
) -> wrappers.Response:
    """Answer `report` with a file to save.

    Args:
        table: the study's table, the best trial first.
        study: its entry in the answer `studies`.
        insights: the answer `importance`.
        foreign: reads the curves from TensorBoard's memory.
        base: the folder of the study's runs.
    """
    best = table.best()
    config = _config(base, best.run) if best is not None and table.source == "tuner" else ""
    now = datetime.datetime.now(datetime.UTC)
    report = Report(
        study=study,
        trials={
            "total": len(table.rows),
            "columns": [column_document(column) for column in table.columns],
            "rows": [row_document(row) for row in table.rows[:MOST_ROWS]],
        },
        points=_points(table),
        curves=curves_document(table, table.rows[:_CURVES], foreign, grey=_GREY),
        insights=insights,
        yaml=to_yaml(table, [best]) if best is not None else "",
        config=config,
        environment=_environment(config),
        made=f"{now:%Y-%m-%d %H:%M} UTC",
    )
    name = _UNFIT.sub("-", table.study).strip("-.") or "study"
    return plain(query.request, report_page(report), "text/html", f"{name}.html")


def _points(table: Table) -> dict[str, Any]:
    rows = table.rows[:MOST_POINTS]
    keys = [column.key for column in table.columns if column.group != "fact"]
    columns = {key: [encode(row.value(key)) for row in rows] for key in keys[:MOST_POINT_COLUMNS]}
    facts = {key: [getattr(row, key) or None for row in rows] for key in _FACTS}
    return {
        "total": len(table.rows),
        "matching": len(table.rows),
        "rows": len(rows),
        "trial": [row.trial for row in rows],
        "run": [row.run for row in rows],
        "state": [row.state for row in rows],
        "objective": [row.objective for row in rows],
        "columns": facts | columns,
    }


def _config(base: Place, run: str) -> str:
    try:
        return read_file(base, run, CONFIG).decode("utf-8", "replace")
    except ProblemError:
        return ""


def _environment(config: str) -> dict[str, Any]:
    try:
        found = json.loads(config)
    except (ValueError, RecursionError):
        return {}
    known = found if isinstance(found, dict) else {}
    return {key: known[key] for key in ENVIRONMENT if known.get(key)}
