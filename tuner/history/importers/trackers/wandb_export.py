"""Runs that were written as JSON with W&B's public API: a list, or one object per line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tuner.errors import SpecError
from tuner.history.importers.source import MAX_JSON_BYTES
from tuner.history.importers.trackers.tracked import TrackedRun, TrackedStudy, flatten
from tuner.history.importers.trackers.wandb_values import numbers
from tuner.history.store.cleaning import MAX_METRICS, MAX_PARAMETERS, MAX_RUNS, clean_key
from tuner.history.store.imported import ImportedRun, ImportKind, Options
from tuner.history.store.records import Rejection
from tuner.roots import open_named

#: The API's names for a run's last values, in its releases and in data frames from it.
_SUMMARIES = ("summary", "summaryMetrics", "summary_metrics")
_STARTED = ("created_at", "createdAt")
_FINISHED = ("heartbeat_at", "heartbeatAt", "finished_at")

Record = Mapping[str, Any]


class WandbExport(TrackedStudy):
    """The runs in a file.

    Args:
        path: absolute.
    """

    kind: ImportKind = "wandb"
    whole = True

    def __init__(self, path: Path, stamp: str) -> None:
        super().__init__(str(path))
        self._path = path
        self._stamp = stamp

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        return {}

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        del keys
        seen: set[str] = set()
        records = read_records(self._path)
        for number, record in enumerate(records[:MAX_RUNS], start=1):
            read = partial(self._read, number, record, seen)
            yield self.taken(f"{self.locator}, run {number}", read, options)
        beyond = len(records) - MAX_RUNS
        if beyond > 0:
            reason = f"beyond the first {MAX_RUNS} runs"
            yield Rejection(path=self.locator, reason=reason, count=beyond)

    def _read(self, number: int, record: Record, seen: set[str]) -> TrackedRun:
        if not is_run(record):
            raise ValueError("has no config with a summary")
        state = record.get("state", record.get("State"))
        run = TrackedRun(
            key=clean_key(str(record.get("id") or f"{number:07d}")),
            state=None if state is None else str(state),
            stamp=self._stamp,
            started=_first(record, _STARTED),
            finished=_first(record, _FINISHED),
        )
        config = {k: _plain(v) for k, v in record["config"].items() if not k.startswith("_")}
        run.params = flatten(config, MAX_PARAMETERS)
        summary = _first(record, _SUMMARIES)
        for name, value in summary.items() if isinstance(summary, Mapping) else ():
            if not name.startswith("_") and len(run.summary) < 2 * MAX_METRICS:
                run.summary |= dict(numbers(name, value))
        history = record.get("history")
        for row in history if isinstance(history, list) else ():
            if isinstance(row, Mapping):
                _add_row(run, row)
        # A run may occur twice; the second one is then treated as a different run.
        run.key = run.key if run.key not in seen else f"{run.key}#{number}"
        seen.add(run.key)
        return run


def _add_row(run: TrackedRun, row: Record) -> None:
    step = row.get("_step")
    for name, value in row.items():
        if not str(name).startswith("_"):
            for full, number in numbers(str(name), value):
                run.add_point(full, step, number)


def _first(record: Record, names: Iterable[str]) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _plain(value: Any) -> Any:
    """Return a setting; in the raw form, each has a description next to its value."""
    if isinstance(value, Mapping) and "value" in value and value.keys() <= {"value", "desc"}:
        return value["value"]
    return value


def is_run(record: Any) -> bool:
    """Whether a value is a W&B run: settings, and last values or a history."""
    if not isinstance(record, Mapping) or not isinstance(record.get("config"), Mapping):
        return False
    return any(isinstance(record.get(name), Mapping | list) for name in (*_SUMMARIES, "history"))


def read_records(path: Path) -> list[Any]:
    """Return the objects of a JSON file: one object, a list, or one object per line.

    Raises:
        SpecError: it is too large, or damaged.
        OSError: it cannot be read.
    """
    with open_named(path) as file:
        content = file.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise SpecError(f"{path}: larger than {MAX_JSON_BYTES >> 20} MiB; write fewer runs a file")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return _read_lines(path, content)
    if isinstance(found, list):
        return found
    return _transposed(found) if isinstance(found, dict) else []


def _read_lines(path: Path, content: bytes) -> list[Any]:
    records: list[Any] = []
    for number, line in enumerate(io.BytesIO(content), start=1):
        if line.strip():
            try:
                records.append(json.loads(line))
            except (ValueError, RecursionError):
                raise SpecError(f"{path}: line {number}: is damaged: it is not JSON") from None
    return records


def _transposed(found: dict[str, Any]) -> list[Any]:
    """Return the rows of a data frame that was written column by column."""
    columns = {k: v for k, v in found.items() if isinstance(v, dict)}
    rows = list(columns.get("config", ()))
    is_frame = bool(rows) and all(
        isinstance(columns["config"][row], dict) and row.isdigit() for row in rows
    )
    if not is_frame:
        return [found]
    return [{name: column.get(row) for name, column in columns.items()} for row in rows]
