"""A table as columns, for plots."""

from __future__ import annotations

from typing import Any

from werkzeug import wrappers

from tuner.board.best_trials.answers.page import encode, found_rows, is_column
from tuner.board.best_trials.answers.requests import ProblemError, Query, answer
from tuner.board.best_trials.table.model import Table

#: Limits of one answer.
MOST_ROWS, MOST_COLUMNS = 20_000, 500


def points_answer(query: Query, table: Table) -> wrappers.Response:
    """Answer `points?query&columns&limit`: one list per column, null for a missing value.

    Args:
        query: `columns` are keys of columns, comma-separated; by default all that fit.

    Raises:
        ProblemError: there is no such column.
    """
    limit = query.whole("limit", MOST_ROWS, 0, MOST_ROWS)
    keys = _keys(query, table)
    rows, mistakes = found_rows(query, table)
    shown = rows[:limit]
    document: dict[str, Any] = {
        "study": table.study,
        "version": table.version,
        "total": len(table.rows),
        "matching": len(rows),
        "rows": len(shown),
        "trial": [row.trial for row in shown],
        "run": [row.run for row in shown],
        "state": [row.state for row in shown],
        "objective": [row.objective for row in shown],
        "columns": {key: [encode(row.value(key)) for row in shown] for key in keys},
        "mistakes": mistakes,
    }
    return answer(query.request, document)


def _keys(query: Query, table: Table) -> list[str]:
    if "columns" not in query.request.args:
        return [column.key for column in table.columns if column.group != "fact"][:MOST_COLUMNS]
    # A name may contain a comma: try the whole text, then each part.
    whole = query.text("columns")
    keys = [whole] if is_column(table, whole) else query.words("columns", MOST_COLUMNS)
    for key in keys:
        if not is_column(table, key):
            raise ProblemError(
                f"columns: there is no column {key[:60]!r}",
                parameter="columns",
                value=key,
                allowed=[column.key for column in table.columns[:100]],
            )
    return keys
