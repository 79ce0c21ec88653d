"""Tables with a header: one row per run, or per report of a run. Always imported as a whole."""

from __future__ import annotations

import ast
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.history.importers.cells import (
    NOTHING,
    read_number,
    read_step,
    read_value,
    unquoted,
)
from tuner.history.importers.state_words import Word, read_word
from tuner.history.importers.tables.columns import find_columns
from tuner.history.importers.tables.layouts import CsvColumns
from tuner.history.importers.tables.rows import CsvTable
from tuner.history.importers.tables.rungs import stopped_at
from tuner.history.matching.outcomes import CONSTRAINT
from tuner.history.store.cleaning import (
    MAX_RUNS,
    clean_curves,
    clean_metrics,
    clean_params,
    clean_time,
    finite,
    last_or_best,
)
from tuner.history.store.imported import Facts, ImportedRun, ImportKind, Options
from tuner.history.store.records import Curve, HistoricTrial, Rejection
from tuner.space.value import Value

if TYPE_CHECKING:
    from tuner.history.importers.files import FoundFile

#: The rows of a run with their numbers, in the order of the file.
Rows = list[tuple[int, list[str]]]


def open_csv(file: FoundFile) -> CsvStudy | None:
    """Return the study of a file that looks like a table, None for any other."""
    line = file.start.partition(b"\n")[0]
    is_other = b"\0" in file.start or file.start.lstrip()[:1] in (b"[", b"{")
    is_table = not is_other and any(mark in line for mark in (b",", b";", b"\t"))
    return CsvStudy(str(file.path), file.stamp) if is_table else None


class CsvStudy:
    """A CSV file.

    Args:
        path: absolute.
    """

    kind: ImportKind = "csv"
    whole = True
    gone: frozenset[str] = frozenset()

    def __init__(self, path: str, stamp: str) -> None:
        self.locator = path
        self._path = Path(path)
        self._stamp = stamp
        self._columns: CsvColumns | None = None
        #: Steps at which the search stopped runs, and the number of steps of a complete one.
        self._rungs: tuple[frozenset[int], int] = (frozenset(), 0)
        self._notes: list[str] = []

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        return {}

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        del keys
        table = CsvTable(self._path)
        columns = self._columns = find_columns(table, options)
        self._notes = [f"a table of {columns.tool}'s"] if columns.tool else [*columns.notes]
        groups = self._groups(table, columns)
        for rows in groups:
            if isinstance(rows, Rejection):
                yield rows
                continue
            number = rows[0][0]
            try:
                yield self._run(number, rows, columns, options)
            except ValueError as exc:
                where = f"{self.locator}, row {number}"
                yield Rejection(path=where, reason=str(exc))

    def facts(self, options: Options) -> Facts:
        """See `FoundStudy`."""
        columns = self._columns or find_columns(CsvTable(self._path), options)
        goals = options.by_name
        return Facts(
            metrics={n: goals.get(n) or columns.goals.get(n) for n in columns.metrics},
            parameters=list(columns.params),
            notes=self._notes,
            options=options.to_json(),
        )

    def _groups(self, table: CsvTable, columns: CsvColumns) -> Iterator[Rows | Rejection]:
        """Yield the rows of each run, and what exceeds all bounds."""
        numbered = enumerate(table.rows(), start=1)
        if columns.step is None:
            beyond = 0
            for number, row in numbered:
                if number <= MAX_RUNS:
                    yield [(number, row)]
                else:
                    beyond += 1
        else:
            runs: dict[object, Rows] = {}
            rows = 0
            for number, row in numbered:
                rows += 1
                if number <= MAX_RUNS:
                    runs.setdefault(_mark(row, columns), []).append((number, row))
            self._find_rungs(runs.values(), columns)
            beyond = max(rows - MAX_RUNS, 0)
            yield from runs.values()
        if beyond:
            reason = f"beyond the first {MAX_RUNS} runs"
            yield Rejection(path=self.locator, reason=reason, count=beyond)

    def _find_rungs(self, runs: Iterable[Rows], columns: CsvColumns) -> None:
        ends = [max((_step(row, columns) or 0 for _, row in rows), default=0) for rows in runs]
        self._rungs = stopped_at(ends, is_known=columns.run is None)
        rungs, whole = self._rungs
        if rungs:
            short = sum(end in rungs for end in ends)
            named = " or ".join(map(str, sorted(rungs)))
            guess = "" if columns.run is None else " (a guess)"
            what = f"{short} of {len(ends)} runs ended at {named} of {whole} steps"
            self._notes.append(f"{what}: taken as stopped there{guess}")

    def _run(self, number: int, rows: Rows, columns: CsvColumns, options: Options) -> ImportedRun:
        last = rows[0][1]
        if len(rows) > 1:
            last = max(rows, key=lambda item: (_step(item[1], columns) or 0, item[0]))[1]
        metrics, is_empty = _metrics(last, columns)
        word = _outcome(last, columns, has_metrics=bool(metrics), is_empty=is_empty)
        state, cause = word.state, word.cause
        if state == "complete" and _step(last, columns) in self._rungs[0]:
            state = "pruned"
        curves = _curves(rows, columns)
        if options.reduce == "best":
            for name, goal in options.by_name.items():
                if name in metrics and name in curves:
                    metrics[name] = last_or_best(curves[name], goal)
        least = 0 if state == "pruned" else 1
        now = time.time()
        return ImportedRun(
            trial=HistoricTrial(
                key=f"{number:07d}",
                params=clean_params(_params(last, columns)),
                metrics=clean_metrics(metrics),
                curves={name: curve for name, curve in curves.items() if len(curve) > least},
                state=state,
                cause=cause,
                started=clean_time(_time(last, columns.started), now),
                finished=clean_time(_time(last, columns.finished), now),
            ),
            stamp=self._stamp,
            is_open=state == "complete" and _is_open(last, columns),
        )


def _mark(row: list[str], columns: CsvColumns) -> object:
    """Return what all rows of one run have in common."""
    if columns.run is not None:
        return _cell(row, columns.run).strip()
    return tuple(_cell(row, index).strip() for index in columns.params.values())


def _step(row: list[str], columns: CsvColumns) -> int | None:
    return None if columns.step is None else read_step(_cell(row, columns.step))


def _word(row: list[str], columns: CsvColumns) -> Word:
    if columns.state is None:
        return Word(state="complete")
    text = _cell(row, columns.state).strip()
    word = read_word(text)
    if word is None:
        raise ValueError(f"has a state that is not known ({text[:40]!r})")
    return word


def _outcome(row: list[str], columns: CsvColumns, *, has_metrics: bool, is_empty: bool) -> Word:
    """Return the outcome of a run; a `ValueError` says why it cannot be used."""
    word = _word(row, columns)
    if word.state == "running":
        raise ValueError(f"has not ended (state {_cell(row, columns.state).strip()[:40]!r})")
    if word.state in ("complete", "pruned") and _is_infeasible(_cell(row, columns.limits)):
        return Word(state="fail", cause=CONSTRAINT)
    if word.state == "complete" and not has_metrics:
        if is_empty:
            raise ValueError("has no value of the metric")
        return Word(state="fail", cause="diverged")
    return word


def _is_open(row: list[str], columns: CsvColumns) -> bool:
    return columns.done is not None and _cell(row, columns.done).strip().lower() == "false"


def _curves(rows: Rows, columns: CsvColumns) -> dict[str, Curve]:
    points: dict[str, list[tuple[object, object]]] = {}
    for _, row in rows if columns.step is not None else ():
        for name, value in _metrics(row, columns)[0].items():
            points.setdefault(name, []).append((_step(row, columns), value))
    return clean_curves(points)


def _params(row: list[str], columns: CsvColumns) -> dict[str, Value]:
    params: dict[str, Value] = {}
    for name, index in columns.params.items():
        cell = _cell(row, index)
        if name in columns.quoted:
            cell = unquoted(cell.strip())
        try:
            value = read_value(cell, columns.kinds[name])
        except ValueError:
            raise ValueError(f"{name}: {cell[:60]!r} is not a number") from None
        if value is not None:
            params[name] = value
    return params


def _metrics(row: list[str], columns: CsvColumns) -> tuple[dict[str, float], bool]:
    """Return the finite metrics, and whether there were none at all."""
    metrics: dict[str, float] = {}
    is_empty = True
    for name, index in columns.metrics.items():
        cell = _cell(row, index).strip()
        if cell.lower() in NOTHING:
            continue
        try:
            number = float(read_number(cell))
        except OverflowError:
            number = math.inf
        except ValueError:
            raise ValueError(f"{name}: {cell[:60]!r} is not a number") from None
        is_empty = False
        if finite(number) is not None:
            metrics[name] = number
    return metrics, is_empty


def _is_infeasible(cell: str) -> bool:
    """Whether a cell with the constraints of an Optuna trial says that one is violated."""
    if not cell.strip():
        return False
    try:
        values = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return False
    numbers = values if isinstance(values, list | tuple) else (values,)
    return any(isinstance(number, int | float) and not number <= 0 for number in numbers)


def _cell(row: list[str], index: int | None) -> str:
    return row[index] if index is not None and index < len(row) else ""


def _time(row: list[str], index: int | None) -> str | float | None:
    """Return an ISO time with a zone, or seconds since the epoch.

    A time without a zone, as in Optuna's tables, is in local time.
    """
    text = _cell(row, index).strip()
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError):
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    # Larger numbers are milliseconds, as in MLflow: in seconds they would be after the year 5000.
    return number / 1000 if number > 1e11 else number
