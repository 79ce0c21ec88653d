"""What the columns of a CSV file are: parameters, metrics, or facts about the run."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tuner.errors import SpecError
from tuner.history.cleaning import MAX_METRICS, MAX_PARAMETERS
from tuner.history.imported import Options
from tuner.space.value import Value

#: Larger files are cut out by other tools first.
MAX_BYTES = 1 << 30
MAX_COLUMNS = MAX_PARAMETERS + MAX_METRICS

Kind = Literal["number", "bool", "text"]

#: Cells that say that there is nothing, and those that say that it is no number.
NOTHING = frozenset({"", "none", "null", "na", "n/a", "-"})
_NOT_FINITE = frozenset({"nan", "inf", "-inf", "+inf", "infinity", "-infinity"})
_BOOLS = {"true": True, "false": False}
#: A column is numeric when so much of it is: the rest are mistakes.
_MOSTLY = 0.9

#: Columns of pandas' index and of `study.trials_dataframe()` that are neither.
_FACTS = frozenset({"", "number", "state", "duration"})
_STARTED, _FINISHED = "datetime_start", "datetime_complete"
_OPTUNA_PARAM = "params_"
_OPTUNA_VALUE = re.compile(r"values?(_.+)?")


@dataclass(kw_only=True)
class Columns:
    """Where in a row the things are, by index."""

    params: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    state: int | None = None
    started: int | None = None
    finished: int | None = None


def find_columns(path: Path, options: Options) -> Columns:
    """Return the columns of a file, with the types of the parameters, read from all rows.

    Raises:
        SpecError: it has no header, or no column is known to be the metric.
        OSError: it cannot be read.
    """
    rows = read_rows(path)
    header = [name.strip() for name in next(rows, [])]
    columns = _sort(header, options, path)
    kinds = {name: _Count() for name in columns.params}
    for row in rows:
        for name, index in columns.params.items():
            if index < len(row):
                kinds[name].add(row[index])
    columns.kinds = {name: count.kind for name, count in kinds.items()}
    return columns


def read_rows(path: Path) -> Iterator[list[str]]:
    """Yield the rows of a CSV file, header first; blank lines are left out.

    Raises:
        SpecError: it is no text, or too large.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(65536)
    size = path.stat().st_size
    if b"\0" in start:
        raise SpecError(f"{path}: is no CSV file: it holds binary data")
    if size > MAX_BYTES:
        raise SpecError(f"{path}: has {size} bytes; CSV files of at most {MAX_BYTES} are read")
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        reader = csv.reader(text, delimiter=_delimiter(start))
        try:
            yield from (row for row in reader if any(cell.strip() for cell in row))
        except csv.Error as exc:
            raise SpecError(f"{path}: line {reader.line_num}: {exc}") from None


def read_value(cell: str, kind: Kind) -> Value | None:
    """Return the value of a parameter, None where the cell holds none.

    Raises:
        ValueError: the column holds numbers, and this is none.
    """
    plain = cell.strip()
    if plain.lower() in NOTHING:
        return None
    if kind == "text":
        return plain
    if kind == "bool":
        return _BOOLS[plain.lower()]
    if plain.lower() in _NOT_FINITE:
        return None
    return read_number(plain)


def read_number(cell: str) -> int | float:
    """Return the number of a cell; a whole number stays one.

    Raises:
        ValueError: it holds none.
    """
    plain = cell.strip()
    # Python reads 1_000 as a number; whoever wrote that into a file did not mean one.
    if "_" in plain:
        raise ValueError(cell)
    try:
        return int(plain)
    except ValueError:
        return float(plain)


class _Count:
    """What the cells of a column are."""

    def __init__(self) -> None:
        self._numbers = self._bools = self._texts = 0

    def add(self, cell: str) -> None:
        """Count one."""
        plain = cell.strip().lower()
        if plain in NOTHING or plain in _NOT_FINITE:
            return
        if plain in _BOOLS:
            self._bools += 1
            return
        try:
            read_number(plain)
        except ValueError:
            self._texts += 1
        else:
            self._numbers += 1

    @property
    def kind(self) -> Kind:
        """What the column holds."""
        known = self._numbers + self._bools + self._texts
        if known and self._bools == known:
            return "bool"
        return "number" if self._numbers >= _MOSTLY * known else "text"


def _sort(header: Sequence[str], options: Options, path: Path) -> Columns:
    if not 1 < len(header) <= MAX_COLUMNS:
        raise SpecError(f"{path}: has no header of 2 to {MAX_COLUMNS} columns in its first line")
    twice = [name for i, name in enumerate(header) if name and name in header[:i]]
    if twice:
        raise SpecError(f"{path}: has two columns {twice[0]!r}")
    is_optuna = any(name.startswith(_OPTUNA_PARAM) for name in header)
    columns = Columns()
    for index, name in enumerate(header):
        if name in options.metrics or (is_optuna and _OPTUNA_VALUE.fullmatch(name)):
            columns.metrics[name] = index
        elif is_optuna and name.startswith(_OPTUNA_PARAM):
            columns.params[name.removeprefix(_OPTUNA_PARAM)] = index
        elif is_optuna or name in _FACTS:
            _note_fact(columns, name, index)
        else:
            columns.params[name] = index
    missing = [name for name in options.metrics if name not in columns.metrics]
    if missing or not columns.metrics:
        what = f"no column {missing[0]!r}" if missing else "no column is known to be the metric"
        named = ", ".join(filter(None, header))
        raise SpecError(f"{path}: {what}; name one with --metric: {named}"[:500])
    return columns


def _note_fact(columns: Columns, name: str, index: int) -> None:
    if name == "state":
        columns.state = index
    elif name == _STARTED:
        columns.started = index
    elif name == _FINISHED:
        columns.finished = index


def _delimiter(start: bytes) -> str:
    """Return what separates the header's names."""
    line = start.partition(b"\n")[0].decode("utf-8", "replace")
    return max(",;\t", key=line.count)
