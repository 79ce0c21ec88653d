"""What the columns of a CSV file are: parameters, metrics, or facts about the run."""

from __future__ import annotations

from tuner.errors import SpecError
from tuner.history.importers.cells import CellCount
from tuner.history.importers.tables.layouts import CsvColumns, find_layout
from tuner.history.importers.tables.rows import CsvTable
from tuner.history.matching.metric import plain_metric
from tuner.history.store.imported import Options
from tuner.history.store.records import Goal


def find_columns(table: CsvTable, options: Options) -> CsvColumns:
    """Return the columns of a table, with the types of the parameters, determined from all rows.

    Args:
        options: the user's options on the metric. In a table of a known tool, a name without a
            column is understood as that of its only metric.

    Raises:
        SpecError: no column is known to be the metric.
        OSError: it cannot be read.
    """
    counts = [CellCount() for _ in table.header]
    for row in table.rows():
        for count, cell in zip(counts, row, strict=False):
            count.add(cell)
    columns = find_layout(table.header, counts)
    missing = []
    for name in options.metrics:
        if name in table.header and name not in columns.metrics:
            columns.metrics[name] = table.header.index(name)
        elif name not in columns.metrics:
            missing.append(name)
    missing = [name for name in missing if not _rename(columns, name, options, len(missing))]
    if missing or not columns.metrics:
        what = f"no column {missing[0]!r}" if missing else "no column is known to be the metric"
        named = ", ".join(columns.metrics if columns.metrics else filter(None, table.header))
        raise SpecError(f"{table.path}: {what}; name one with --metric: {named}"[:500])
    places = set(columns.metrics.values())
    columns.params = {n: i for n, i in columns.params.items() if i not in places}
    # The columns given by the user come first.
    order = dict.fromkeys([*options.metrics, *columns.metrics])
    columns.metrics = {name: columns.metrics[name] for name in order}
    return columns


def _rename(columns: CsvColumns, name: str, options: Options, missing: int) -> bool:
    """Give the name `name` to the only metric that it can refer to; return whether there is one."""
    free = [other for other in columns.metrics if other not in options.metrics]
    if not columns.tool or not free:
        return False
    alike = [other for other in free if plain_metric(other) == plain_metric(name)]
    chosen = alike if alike else free if missing == 1 else []
    goal: Goal | None = options.by_name[name]
    if len(chosen) != 1 or goal not in (None, columns.goals.get(chosen[0], goal)):
        return False
    columns.metrics[name] = columns.metrics.pop(chosen[0])
    known = columns.goals.pop(chosen[0], None)
    if known is not None:
        columns.goals[name] = known
    return True
