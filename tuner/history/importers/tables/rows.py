"""The rows of a CSV file, header first; a cell that holds a dictionary becomes columns."""

from __future__ import annotations

import ast
import csv
import io
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tuner.errors import SpecError
from tuner.history.store.cleaning import MAX_METRICS, MAX_PARAMETERS
from tuner.roots import open_named

#: Maximum size; other tools have to extract a part of larger files first.
MAX_BYTES = 1 << 30
MAX_COLUMNS = MAX_PARAMETERS + MAX_METRICS
#: Number of rows in which to look for dictionaries; W&B's own example has two in each.
_LOOKED_AT = 100
#: Python's notation for floats that JSON does not have, also inside numpy's numbers.
_NAN = re.compile(r"(?<=[:\s\[,(])-?(nan|inf)(?=\s*[,}\])])")
_NUMPY = re.compile(r"\bnp\.\w+\(([^()]*)\)")


class CsvTable:
    """A file that is read row by row, any number of times.

    Raises:
        SpecError: it is not text, too large, or has no header.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._header = [name.strip() for name in next(_read(path), [])]
        self._nested = self._find_nested()
        self._keys = self._find_keys() if self._nested else {}
        self.header = [n for i, n in enumerate(self._header) if i not in self._nested]
        for index, name in self._nested.items():
            self.header += [f"{name}.{key}" for key in self._keys[index]]
        _check(path, self.header)

    def rows(self) -> Iterator[list[str]]:
        """Yield the rows below the header, without blank lines."""
        rows = _read(self.path)
        next(rows, None)
        for row in rows:
            yield self._flat(row) if self._nested else row

    def _flat(self, row: list[str]) -> list[str]:
        cells = [*row, *[""] * (len(self._header) - len(row))]
        flat = [cell for index, cell in enumerate(cells) if index not in self._nested]
        for index in self._nested:
            values = _parse(cells[index])
            flat += [values.get(key, "") for key in self._keys[index]]
        return flat

    def _find_nested(self) -> dict[int, str]:
        """Return the columns that hold dictionaries, by index."""
        found: dict[int, str] = {}
        rows = itertools.islice(_read(self.path), 1, _LOOKED_AT + 1)
        for row in rows:
            for index, (name, cell) in enumerate(zip(self._header, row, strict=False)):
                if cell.lstrip().startswith("{") and _parse(cell):
                    found[index] = name
        return found

    def _find_keys(self) -> dict[int, dict[str, None]]:
        keys: dict[int, dict[str, None]] = {index: {} for index in self._nested}
        rows = _read(self.path)
        next(rows, None)
        for row in rows:
            for index, found in keys.items():
                if index < len(row) and len(found) < MAX_COLUMNS:
                    found |= dict.fromkeys(_parse(row[index]))
        return keys


def _read(path: Path) -> Iterator[list[str]]:
    with open_named(path) as file:
        start = file.read(65536)
        size = os.fstat(file.fileno()).st_size
    if b"\0" in start:
        raise SpecError(f"{path}: is not a CSV file: it holds binary data")
    if size > MAX_BYTES:
        raise SpecError(f"{path}: has {size} bytes; CSV files of at most {MAX_BYTES} are read")
    with (
        open_named(path) as file,
        io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="") as text,
    ):
        reader = csv.reader(text, delimiter=_delimiter(start))
        try:
            yield from (row for row in reader if any(cell.strip() for cell in row))
        except csv.Error as exc:
            raise SpecError(f"{path}: line {reader.line_num}: {exc}") from None


def _check(path: Path, header: list[str]) -> None:
    if not 1 < len(header) <= MAX_COLUMNS:
        raise SpecError(f"{path}: has no header of 2 to {MAX_COLUMNS} columns in its first line")
    seen: set[str] = set()
    for name in header:
        if name and name in seen:
            raise SpecError(f"{path}: has two columns {name!r}")
        seen.add(name)


def _delimiter(start: bytes) -> str:
    """Return the delimiter of the header."""
    line = start.partition(b"\n")[0].decode("utf-8", "replace")
    return max(",;\t", key=line.count)


def _parse(cell: str) -> dict[str, str]:
    """Return the plain values of a printed dictionary, by names joined with dots."""
    text = cell.strip()
    if not text.startswith("{"):
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        try:
            found = ast.literal_eval(_NAN.sub("None", _NUMPY.sub(r"\1", text)))
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return {}
    flat: dict[str, str] = {}
    _flatten("", found, flat)
    return flat


def _flatten(prefix: str, found: object, flat: dict[str, str]) -> None:
    if isinstance(found, Mapping):
        if "value" in found and found.keys() <= {"value", "desc"}:  # as W&B's config.yaml has it
            _flatten(prefix, found["value"], flat)
            return
        for key, value in found.items():
            if not str(key).startswith("_"):  # W&B's own, as _wandb and _step
                _flatten(f"{prefix}.{key}".lstrip("."), value, flat)
    elif isinstance(found, str | int | float):
        flat[prefix] = str(found)
