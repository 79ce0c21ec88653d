"""One page of a table as JSON: filtered, sorted, cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from tuner.board.best_trials.answers.requests import Query
from tuner.board.best_trials.table.model import FACTS, Column, Row, Table
from tuner.board.best_trials.table.query import parse_search

#: Larger integers are not exact in a browser.
_EXACT = 2**53
#: Maximum number of parameters of the best trial in the list of studies, and of a trial in the
#: table.
MOST_BEST, MOST_OF_ROW = 200, 2_000
#: Maximum number of values in one answer: with very many parameters, fewer trials are returned than
#: requested.
MOST_VALUES = 500_000


def study_document(table: Table) -> dict[str, Any]:
    """Return a study's entry in the list of studies."""
    counts = dict.fromkeys(("complete", "pruned", "fail", "running", "waiting"), 0)
    for row in table.rows:
        counts[row.state] += 1
    counts["waiting"] += table.waiting
    best = table.best()
    return {
        "study": table.study,
        "source": table.source,
        "state": table.state,
        "goal": table.goal,
        "metric": table.metrics[0].name if table.metrics else None,
        "metrics": [{"name": metric.name, "goal": metric.goal} for metric in table.metrics],
        "trials": sum(counts.values()),
        "counts": counts,
        "best": None if best is None else {"trial": best.trial, "run": best.run,
                                           "objective": best.objective, "values": best.values,
                                           "params": params_document(best.params, most=MOST_BEST)},
        "updated": table.updated or None,
        "version": table.version,
    }  # fmt: skip


def column_document(column: Column) -> dict[str, Any]:
    """Return a column."""
    return {
        "key": column.key,
        "label": column.label,
        "group": column.group,
        "type": column.type,
        "low": column.low,
        "high": column.high,
        "log": column.log,
        "values": [encode(value) for value in column.values],
        "conditional": column.conditional,
        "constant": column.constant,
        "share": column.share,
    }


def row_document(row: Row) -> dict[str, Any]:
    """Return a trial."""
    return {
        "trial": row.trial,
        "rank": row.rank,
        "state": row.state,
        "cause": row.cause or None,
        "reason": row.reason or None,
        "objective": row.objective,
        "values": row.values,
        "params": params_document(row.params, most=MOST_OF_ROW),
        "metrics": row.metrics,
        "attempts": row.attempts,
        "duration_s": row.duration_s,
        "started": row.started or None,
        "history": row.history,
        "run": row.run,
    }


def params_document(params: Mapping[str, Any], *, most: int) -> dict[str, Any]:
    """Return the first `most` parameters with their types."""
    return {name: encode(value) for name, value in islice(params.items(), most)}


def encode(value: Any) -> Any:
    """Return a value that a browser reads unchanged: a large integer as `{"int": "…"}`."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        return {"int": str(value)}
    return value


def found_rows(query: Query, table: Table) -> tuple[list[Row], list[dict[str, Any]]]:
    """Return the rows that the request's `query` finds, best first, and its mistakes.

    Raises:
        ProblemError: it is too long.
    """
    metric = table.metrics[0].name if table.metrics else ""
    search = parse_search(query.text("query"), table.columns, metric)
    mistakes = [
        {"at": mistake.at, "length": mistake.length, "text": mistake.text}
        for mistake in search.mistakes
    ]
    return [row for row in table.rows if search.matches(row)], mistakes


def sort_rows(rows: Sequence[Row], sort: str, *, descending: bool) -> list[Row]:
    """Return rows in the order of a column; those without a value come last in both directions.

    Args:
        rows: best first, which is kept for ties.
        sort: key of a column.
        descending: whether the largest value comes first.
    """
    known: list[Row] = []
    unknown: list[Row] = []
    for row in rows:
        value = row.value(sort)
        (unknown if value is None else known).append(row)
    known.sort(key=lambda row: _place(row.value(sort)), reverse=descending)
    return [*known, *unknown]


def page_length(table: Table, limit: int) -> int:
    """Return the number of rows in one answer: as many as requested, or as fit."""
    return min(limit, max(10, MOST_VALUES // max(1, len(table.columns))))


def is_column(table: Table, key: str) -> bool:
    """Whether a table has a column with this key."""
    return key in FACTS or any(column.key == key for column in table.columns)


def _place(value: Any) -> tuple[int, float, str]:
    """Return a sort key for values of several types: numbers before texts."""
    if isinstance(value, bool):
        return 1, float(value), ""
    if isinstance(value, int | float):
        try:
            return 0, float(value), ""
        except OverflowError:
            return 0, float("inf") if value > 0 else float("-inf"), ""
    return 2, 0.0, str(value)
