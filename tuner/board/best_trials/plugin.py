"""The tab "Best trials" as TensorBoard sees it: its routes, and what is asked of each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from tuner.board.best_trials.catalogue import Catalogue
from tuner.board.best_trials.model import Table
from tuner.board.best_trials.page import (
    column_document,
    is_column,
    row_document,
    sort_rows,
    study_document,
)
from tuner.board.best_trials.query import parse_search
from tuner.board.best_trials.requests import ProblemError, Query, answer, handle
from tuner.board.best_trials.static_files import static_routes
from tuner.roots import Place

#: Where the files lie that TensorBoard is shown a view of; without it, where TensorBoard reads.
SOURCE = "TUNER_BOARD_SOURCE"
#: Rows of one page, and of one answer.
PAGE, MOST_ROWS = 100, 1_000
_MOST_OFFSET = 10**9


class BestTrialsPlugin(base_plugin.TBPlugin):  # type: ignore[misc]
    """The tab.

    Args:
        context: TensorBoard's.
    """

    plugin_name = "best_trials"

    def __init__(self, context: base_plugin.TBContext) -> None:
        super().__init__(context)
        source = os.environ.get(SOURCE) or context.logdir or ""
        self._label = Path(source).name or source
        self._catalogue = Catalogue(Place(Path(source)))
        self._catalogue.start()

    def is_active(self) -> bool:
        """Always: a directory without trials is said there to have none."""
        return True

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Return where the page begins."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Best trials")

    def get_plugin_apps(self) -> dict[str, Any]:
        """Return the routes."""
        return {
            **static_routes(),
            "/studies": handle(self._studies),
            "/trials": handle(self._trials),
        }

    def _studies(self, query: Query) -> wrappers.Response:
        progress = self._catalogue.progress()
        document = {
            "studies": [study_document(table) for table in self._catalogue.tables()],
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
        metric = table.metrics[0].name if table.metrics else ""
        search = parse_search(query.text("query"), table.columns, metric)
        rows = [row for row in table.rows if search.matches(row)]
        matching = len(rows)
        if sort:
            rows = sort_rows(rows, sort, descending=order == "desc")
        document = {
            "study": table.study,
            "source": table.source,
            "total": len(table.rows),
            "matching": matching,
            "goal": table.goal,
            "metric": metric or None,
            "version": table.version,
            "loading": self._catalogue.progress().loading,
            "mistakes": [
                {"at": mistake.at, "length": mistake.length, "text": mistake.text}
                for mistake in search.mistakes
            ],
            "notes": list(table.notes),
            "columns": [column_document(column) for column in table.columns],
            "rows": [row_document(row) for row in rows[offset : offset + limit]],
        }
        return answer(query.request, document)

    def _table(self, query: Query) -> Table:
        """Return the study that is asked for; without a name the newest."""
        name = query.text("study", "", 2_000)
        tables = self._catalogue.tables()
        if not name and tables:
            return tables[0]
        found = self._catalogue.table(name)
        if found is None:
            raise ProblemError(
                f"study: there is no study {name[:80]!r} here" if name else "there is no study yet",
                parameter="study",
                value=name,
                allowed=[table.study for table in tables[:100]],
                status=404,
            )
        return found
