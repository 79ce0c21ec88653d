"""Tables with a header: one row a run. Always imported as a whole."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from tuner.history.cleaning import MAX_RUNS, clean_metrics, clean_params, clean_time
from tuner.history.imported import OUTCOMES, Facts, ImportedRun, ImportKind, Options
from tuner.history.importers.csv_columns import (
    NOTHING,
    Columns,
    find_columns,
    read_number,
    read_rows,
    read_value,
)
from tuner.history.records import HistoricTrial, Rejection, State
from tuner.space.value import Value


class CsvStudy:
    """A file.

    Args:
        path: absolute.
        stamp: of the file.
    """

    kind: ImportKind = "csv"
    whole = True
    gone: frozenset[str] = frozenset()

    def __init__(self, path: str, stamp: str) -> None:
        self.locator = path
        self._path = Path(path)
        self._stamp = stamp
        self._columns: Columns | None = None

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        return {}

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        del keys
        columns = self._columns = find_columns(self._path, options)
        rows = read_rows(self._path)
        next(rows, None)
        beyond = 0
        for number, row in enumerate(rows, start=1):
            if number > MAX_RUNS:
                beyond += 1
                continue
            try:
                yield self._run(number, row, columns)
            except ValueError as exc:
                yield Rejection(path=f"{self.locator}, row {number}", reason=str(exc))
        if beyond:
            reason = f"beyond the first {MAX_RUNS} runs"
            yield Rejection(path=self.locator, reason=reason, count=beyond)

    def facts(self, options: Options) -> Facts:
        """See `FoundStudy`."""
        columns = self._columns or find_columns(self._path, options)
        goals = options.by_name
        return Facts(
            metrics={name: goals.get(name) for name in columns.metrics},
            parameters=list(columns.params),
            options=options.to_json(),
        )

    def _run(self, number: int, row: list[str], columns: Columns) -> ImportedRun:
        metrics, is_open = _metrics(row, columns)
        state: State = "complete"
        cause = None
        if columns.state is not None:
            word = _cell(row, columns.state).upper().rpartition(".")[2]
            if word not in OUTCOMES:
                raise ValueError(f"has not ended (state {word[:40]!r})")
            state = OUTCOMES[word]
        if state == "complete" and not metrics:
            if is_open:
                raise ValueError("has no value of the metric")
            state, cause = "fail", "diverged"
        now = time.time()
        return ImportedRun(
            trial=HistoricTrial(
                key=f"{number:07d}",
                params=clean_params(_params(row, columns)),
                metrics=clean_metrics(metrics),
                state=state,
                cause=cause,
                started=clean_time(_time(row, columns.started), now),
                finished=clean_time(_time(row, columns.finished), now),
            ),
            stamp=self._stamp,
        )


def _params(row: list[str], columns: Columns) -> dict[str, Value]:
    params: dict[str, Value] = {}
    for name, index in columns.params.items():
        try:
            value = read_value(_cell(row, index), columns.kinds[name])
        except ValueError:
            raise ValueError(f"{name}: {_cell(row, index)[:60]!r} is no number") from None
        if value is not None:
            params[name] = value
    return params


def _metrics(row: list[str], columns: Columns) -> tuple[dict[str, float], bool]:
    """Return the finite metrics, and whether none was given at all."""
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
            raise ValueError(f"{name}: {cell[:60]!r} is no number") from None
        is_empty = False
        if math.isfinite(number):
            metrics[name] = number
    return metrics, is_empty


def _cell(row: list[str], index: int) -> str:
    return row[index] if index < len(row) else ""


def _time(row: list[str], index: int | None) -> str | None:
    """Return an ISO time with a zone; Optuna's tables are of the local one and do not say so."""
    if index is None:
        return None
    text = _cell(row, index).strip()
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError):
        return None
