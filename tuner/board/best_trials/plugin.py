"""The tab "Best trials" as a TensorBoard plugin: its routes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from tuner.board.best_trials.answers.compare import MOST, compare_document
from tuner.board.best_trials.answers.curves import curves_answer
from tuner.board.best_trials.answers.files import file_answer
from tuner.board.best_trials.answers.importance import importance_document
from tuner.board.best_trials.answers.page import (
    column_document,
    found_rows,
    is_column,
    page_length,
    row_document,
    sort_rows,
    study_document,
)
from tuner.board.best_trials.answers.points import points_answer
from tuner.board.best_trials.answers.requests import ProblemError, Query, answer, handle
from tuner.board.best_trials.answers.static_files import static_routes
from tuner.board.best_trials.answers.takeaway import takeaway_answer
from tuner.board.best_trials.report.answer import report_answer
from tuner.board.best_trials.studies.catalogue import Catalogue
from tuner.board.best_trials.studies.foreign_table import Choice
from tuner.board.best_trials.studies.others import Others
from tuner.board.best_trials.table.model import Goal, Table
from tuner.roots import Place

#: The variable with the folder whose view TensorBoard is shown; unset: TensorBoard's log directory.
SOURCE = "TUNER_BOARD_SOURCE"
#: Number of rows of one page, and maximum for one answer.
PAGE, MOST_ROWS = 100, 1_000
#: Maximum number of metrics offered for a log of another tool.
MOST_METRICS = 100
_MOST_OFFSET = 10**9


class BestTrialsPlugin(base_plugin.TBPlugin):  # type: ignore[misc]
    """The tab."""

    plugin_name = "best_trials"

    def __init__(self, context: base_plugin.TBContext) -> None:
        super().__init__(context)
        source = os.environ.get(SOURCE) or context.logdir or ""
        self._label = Path(source).name or source
        self._base = Place(Path(source))
        self._others = Others(context.data_provider, self._label)
        self._catalogue = Catalogue(self._base, self._others)
        self._catalogue.start()

    def close(self) -> None:
        """Stop reading the log directory."""
        self._catalogue.close()

    def is_active(self) -> bool:
        """Always true: a directory without trials gets a page that says so."""
        return True

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Return where the page starts."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Best trials")

    def get_plugin_apps(self) -> dict[str, Any]:
        """Return the routes."""
        return {
            **static_routes(),
            "/studies": handle(self._studies),
            "/trials": handle(self._trials),
            "/points": handle(self._points),
            "/curves": handle(self._curves),
            "/importance": handle(self._importance),
            "/compare": handle(self._compare),
            "/file": handle(lambda query: file_answer(query, self._base)),
            "/takeaway": handle(self._takeaway),
            "/report": handle(self._report),
        }

    def _studies(self, query: Query) -> wrappers.Response:
        progress = self._catalogue.progress()
        document = {
            "studies": [self._study(table) for table in self._catalogue.tables()],
            "loading": progress.loading,
            "loaded": progress.loaded,
            "total": progress.total,
            "problem": progress.problem or None,
            "base": self._label,
        }
        return answer(query.request, document)

    def _trials(self, query: Query) -> wrappers.Response:
        table = self._table(query)
        sort = query.text("sort", "", 2_000)
        if sort and not is_column(table, sort):
            raise ProblemError(
                f"sort: there is no column {sort[:60]!r}",
                parameter="sort",
                value=sort,
                allowed=[column.key for column in table.columns[:100]],
            )
        order = query.one_of("order", ["asc", "desc"], "asc")
        offset = query.whole("offset", 0, 0, _MOST_OFFSET)
        limit = query.whole("limit", PAGE, 0, MOST_ROWS)
        rows, mistakes = found_rows(query, table)
        matching = len(rows)
        if sort:
            rows = sort_rows(rows, sort, descending=order == "desc")
        document = {
            "study": table.study,
            "source": table.source,
            "total": len(table.rows),
            "matching": matching,
            "goal": table.goal,
            "metric": table.metrics[0].name if table.metrics else None,
            "version": table.version,
            "loading": self._catalogue.progress().loading,
            "mistakes": mistakes,
            "notes": list(table.notes),
            "columns": [column_document(column) for column in table.columns],
            "rows": [
                row_document(row) for row in rows[offset : offset + page_length(table, limit)]
            ],
        }
        return answer(query.request, document)

    def _points(self, query: Query) -> wrappers.Response:
        return points_answer(query, self._table(query))

    def _curves(self, query: Query) -> wrappers.Response:
        return curves_answer(query, self._table(query), self._others.foreign)

    def _importance(self, query: Query) -> wrappers.Response:
        table = self._table(query)
        return answer(query.request, importance_document(self._catalogue.own(table.study)))

    def _compare(self, query: Query) -> wrappers.Response:
        names = query.words("trials", MOST)
        return answer(query.request, compare_document(self._table(query), names, self._base))

    def _takeaway(self, query: Query) -> wrappers.Response:
        table = self._table(query)
        return takeaway_answer(query, table, found_rows(query, table)[0])

    def _report(self, query: Query) -> wrappers.Response:
        table = self._table(query)
        insights = importance_document(self._catalogue.own(table.study))
        return report_answer(
            query, table, self._study(table), insights, self._others.foreign, self._base
        )

    def _study(self, table: Table) -> dict[str, Any]:
        document = study_document(table)
        if table.source == "hparams":
            # All metrics that trials may be ranked by, not only the current one.
            known = [*table.metrics, *self._others.metrics(table.study)]
            document["metrics"] = [
                {"name": name, "goal": goal}
                for name, goal in {one.name: one.goal for one in reversed(known)}.items()
            ][::-1][:MOST_METRICS]
        return document

    def _table(self, query: Query) -> Table:
        """Return the requested study with the requested ranking; without a name, the newest."""
        choice = _choice(query)
        name = query.text("study", "", 2_000)
        tables = self._catalogue.tables()
        if not name and tables:
            name = tables[0].study
        found = self._catalogue.table(name)
        if found is not None and found.source == "hparams":
            found = self._others.table(name, choice)
        if found is None:
            raise ProblemError(
                f"study: there is no study {name[:80]!r} here" if name else "there is no study yet",
                parameter="study",
                value=name,
                allowed=[table.study for table in tables[:100]],
                status=404,
            )
        return found


def _choice(query: Query) -> Choice:
    """Return what to rank the trials of another tool by."""
    goal: Goal | None = None
    if query.text("goal"):
        wanted = query.one_of("goal", ["maximize", "minimize"], "maximize")
        goal = "minimize" if wanted == "minimize" else "maximize"
    best = query.one_of("value", ["best", "last"], "last") == "best"
    metric = query.text("metric", "", 2_000)
    return Choice(metric=metric, goal=goal, value="best" if best else "last")
