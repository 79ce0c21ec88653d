"""The cells of a table: numbers, booleans, texts and empty ones, determined column by column."""

from __future__ import annotations

import math
from typing import Literal

from tuner.space.value import Value

CellKind = Literal["number", "bool", "text"]

#: Cells that stand for no value, and those that stand for not-a-number.
NOTHING = frozenset({"", "none", "null", "na", "n/a", "-", "--", "<na>"})
_NOT_FINITE = frozenset({"nan", "inf", "-inf", "+inf", "infinity", "-infinity"})
_BOOLS = {"true": True, "false": False}
#: Share of numeric cells that makes a column numeric: the others are mistakes.
_MOSTLY = 0.9
#: Maximum number of distinct texts of a column that are stored.
_TEXTS = 50


class CellCount:
    """Statistics about the cells of a column. Mutable: it grows with every row."""

    def __init__(self) -> None:
        self._plain = _Tally()
        self._unquoted = _Tally()
        self._quoted = 0
        #: The first distinct texts that are not numbers.
        self.texts: dict[str, None] = {}

    def add(self, cell: str) -> None:
        """Count a cell."""
        text = cell.strip()
        if is_plain_number(text):  # nearly all cells of a large table are
            self._plain.numbers += 1
            return
        self._plain.add(text)
        inner = unquoted(text)
        if inner != text:
            self._quoted += 1
            self._unquoted.add(inner)
        if len(self.texts) < _TEXTS and text:
            self.texts[text] = None

    @property
    def is_quoted(self) -> bool:
        """Whether all values are in quotation marks of their own, as SageMaker writes them."""
        return 0 < self._quoted == self._plain.known

    @property
    def kind(self) -> CellKind:
        """The kind of values in the column, without such quotation marks."""
        return self._unquoted.kind if self.is_quoted else self._plain.kind

    @property
    def has_numbers(self) -> bool:
        """Whether there is a number, or a text for one that is not finite."""
        return self.kind == "number" and self._plain.numbers + self._plain.not_finite > 0

    @property
    def known(self) -> int:
        """The number of cells that are not empty."""
        return self._plain.known


class _Tally:
    """Number of cells of each kind. Mutable."""

    def __init__(self) -> None:
        self.numbers = self.not_finite = self._bools = self._texts = 0

    def add(self, text: str) -> None:
        plain = text.lower()
        if plain in NOTHING:
            return
        if plain in _NOT_FINITE:
            self.not_finite += 1
            return
        if plain in _BOOLS:
            self._bools += 1
            return
        try:
            read_number(plain)
        except ValueError:
            self._texts += 1
        else:
            self.numbers += 1

    @property
    def known(self) -> int:
        return self.numbers + self._bools + self._texts

    @property
    def kind(self) -> CellKind:
        if self.known and self._bools == self.known:
            return "bool"
        return "number" if self.numbers >= _MOSTLY * self.known else "text"


def read_value(cell: str, kind: CellKind) -> Value | None:
    """Return the value of a parameter, None if the cell is empty.

    Raises:
        ValueError: the column holds numbers, but this is not one.
    """
    plain = cell.strip()
    if plain.lower() in NOTHING:
        return None
    if kind == "text":
        # pandas writes nan if a run lacks the parameter.
        return None if plain.lower() == "nan" else plain
    if kind == "bool":
        return _BOOLS.get(plain.lower())
    if plain.lower() in _NOT_FINITE:
        return None
    return read_number(plain)


def read_number(cell: str) -> int | float:
    """Return the number in a cell; a whole number becomes an int.

    Raises:
        ValueError: it holds none.
    """
    plain = cell.strip()
    # Python reads 1_000 as a number; in a file it was not meant as one.
    if "_" in plain:
        raise ValueError(cell)
    try:
        return int(plain)
    except ValueError:
        return float(plain)


def is_plain_number(text: str) -> bool:
    """Whether a text is a finite number and nothing else."""
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def read_step(cell: str) -> int | None:
    """Return the whole number in a cell, None if it is not one."""
    try:
        number = float(read_number(cell))
    except (ValueError, OverflowError):
        return None
    return int(number) if math.isfinite(number) and number.is_integer() else None


def unquoted(text: str) -> str:
    """Return a text without quotation marks of its own."""
    is_quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if is_quoted else text
