"""The search language: `train.batch_size=64 val_accuracy>0.95 -state:pruned "out of memory"`.

Terms are joined by "and"; a leading `-` negates one. A name with blanks or signs in it is quoted:
`"learning rate"<0.01`. What cannot be understood is reported and left out; the rest applies. A
search is compiled once and then applied to every row.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.board.best_trials.table.model import METRIC, PARAM, Column, Row

#: Maximum length of the text, and number of terms.
MOST_TEXT, MOST_TERMS = 4_000, 100
#: The word for trials without a value: `train.momentum:inactive`.
INACTIVE = "inactive"
_OPERATORS = "!=, >=, <=, =, >, < and :"
#: A word or a quoted text, alone or followed by an operator and a value. No part of it can match in
#: two ways, so the time is proportional to the length of the text.
_TERM = re.compile(
    r"""(?P<not>-?)
    (?:(?P<name>"(?:[^"\\]|\\.)*"|[^\s"=!<>:]+)(?P<operator>!=|>=|<=|=|>|<|:)(?P<value>"(?:[^"\\]|\\.)*"?|[^\s"]*)
      |(?P<text>"(?:[^"\\]|\\.)*"?|\S+))""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)")

Test = Callable[[Row], bool]


@dataclass(frozen=True)
class Mistake:
    """A term that is left out.

    Attributes:
        at, length: its position in the text, in characters.
        text: what is wrong and what is allowed, a sentence.
    """

    at: int
    length: int
    text: str


@dataclass(frozen=True)
class Search:
    """Conditions for a row.

    Attributes:
        tests: all of them must hold.
        mistakes: terms that are left out.
    """

    tests: tuple[Test, ...]
    mistakes: tuple[Mistake, ...]

    def matches(self, row: Row) -> bool:
        """Return whether a row matches."""
        return all(test(row) for test in self.tests)


class _MistakeError(Exception):
    """The text says what is wrong with a term."""


def parse_search(text: str, columns: Sequence[Column], metric: str = "") -> Search:
    """Return the search that a person has typed, as far as it can be understood.

    Args:
        text: at most `MOST_TEXT` characters of it are read.
        columns: columns that can be named: by key, by a parameter's or metric's name, or by the
            last part of that if it is unique.
        metric: name of the metric that trials are ranked by, which then refers to the column
            `objective`.
    """
    names = _names(columns, metric)
    tests: list[Test] = []
    mistakes: list[Mistake] = []
    for number, found in enumerate(_TERM.finditer(text[:MOST_TEXT])):
        try:
            if number >= MOST_TERMS:
                raise _MistakeError(f"only {MOST_TERMS} terms are read")
            test = _test(found, names, columns)
        except _MistakeError as exc:
            mistakes.append(Mistake(found.start(), len(found[0]), str(exc)))
            if number >= MOST_TERMS:
                break
        else:
            tests.append(_turned(test) if found["not"] else test)
    if len(text) > MOST_TEXT:
        rest = len(text) - MOST_TEXT
        mistakes.append(Mistake(MOST_TEXT, rest, f"only {MOST_TEXT} characters are read"))
    return Search(tuple(tests), tuple(mistakes))


def _names(columns: Sequence[Column], metric: str) -> dict[str, Column]:
    """Return the columns by every name that refers to exactly one of them; facts come last."""
    named: dict[str, Column] = {}
    short: dict[str, list[Column]] = {}
    for column in columns:
        named[column.key] = column
    for prefix in (PARAM, METRIC):
        for column in columns:
            if column.key.startswith(prefix):
                name = column.key[len(prefix) :]
                named.setdefault(name, column)
                short.setdefault(re.split(r"[./]", name)[-1], []).append(column)
    objective = named.get("objective")
    if metric and objective is not None:
        named[metric] = named.get(f"{PARAM}{metric}", objective)
    for name, found in short.items():
        if len(found) == 1:
            named.setdefault(name, found[0])
    return named


def _test(found: re.Match[str], names: dict[str, Column], columns: Sequence[Column]) -> Test:
    if found["text"] is not None:
        return _contains_anywhere(_unquoted(found["text"]), columns)
    name, operator, value = _unquoted(found["name"]), found["operator"], found["value"]
    column = names.get(name)
    if column is None:
        near = difflib.get_close_matches(name[:200], names, 1, 0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise _MistakeError(f"there is no column {name[:100]!r}{hint}")
    if not value:
        raise _MistakeError(f"{name}{operator} needs a value behind it")
    wanted = _unquoted(value)
    if operator == ":":
        return _colon(column, wanted)
    if operator in ("=", "!="):
        equal = _equal(column, wanted, is_text=value.startswith('"'))
        return equal if operator == "=" else _present(column, _turned(equal))
    return _compare(column, operator, wanted)


def _colon(column: Column, wanted: str) -> Test:
    key, low = column.key, wanted.casefold()
    if low == INACTIVE:
        return lambda row: row.value(key) is None
    if key in ("state", "cause"):
        # A failure can also be found by its cause: state:oom.
        return lambda row: low in f"{row.state} {row.cause}".casefold()
    return lambda row: (value := row.value(key)) is not None and low in _shown(value).casefold()


def _equal(column: Column, wanted: str, *, is_text: bool) -> Test:
    """Return a test for equality: true matches a boolean and a text, "true" only a text."""
    key, low = column.key, wanted.casefold()
    # In a column of numbers, quotes make no difference.
    is_text = is_text and column.type not in ("int", "float")
    number = None if is_text else _number(wanted)
    truth = {"true": True, "false": False}.get(low) if not is_text else None

    def test(row: Row) -> bool:
        value = row.value(key)
        if isinstance(value, bool):
            return value is truth
        if isinstance(value, int | float):
            return number is not None and (value == number or _shown(value) == wanted)
        return value is not None and str(value).casefold() == low

    return test


def _compare(column: Column, operator: str, wanted: str) -> Test:
    key, number = column.key, _number(wanted)
    if column.type in ("bool", "state") or (column.type == "text" and number is None):
        raise _MistakeError(
            f"{column.label} is not a number, so it cannot be compared by {operator}; use = or :"
        )
    if number is None and column.type != "time":
        raise _MistakeError(
            f"{wanted[:60]!r} is not a number, as {column.label}{operator} needs one"
        )
    # A time is compared as text: ISO 8601 sorts chronologically.
    limit: Any = wanted if number is None else number
    kinds: Any = str if isinstance(limit, str) else (int, float)
    holds: Callable[[Any], bool] = {
        ">": lambda value: value > limit,
        ">=": lambda value: value >= limit,
        "<": lambda value: value < limit,
        "<=": lambda value: value <= limit,
    }[operator]

    def test(row: Row) -> bool:
        value = row.value(key)
        return isinstance(value, kinds) and not isinstance(value, bool) and bool(holds(value))

    return test


def _contains_anywhere(wanted: str, columns: Sequence[Column]) -> Test:
    if not wanted:
        raise _MistakeError(
            f'"" finds nothing; a term is a word, or a name, one of {_OPERATORS}, and a value'
        )
    low = wanted.casefold()

    def test(row: Row) -> bool:
        facts = (row.trial, row.state, row.cause, row.reason, row.run)
        values = (*facts, *row.params.values())
        return any(value is not None and low in _shown(value).casefold() for value in values)

    return test


def _present(column: Column, test: Test) -> Test:
    """Return a test that holds only if there is a value."""
    return lambda row: row.value(column.key) is not None and test(row)


def _turned(test: Test) -> Test:
    return lambda row: not test(row)


def _shown(value: Any) -> str:
    """Return a value as people write it."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    inner = text[1:-1] if len(text) > 1 and text.endswith('"') else text[1:]
    return _ESCAPE.sub(r"\1", inner)


def _number(text: str) -> int | float | None:
    if len(text) > 60:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        found = float(text)
    except ValueError:
        return None
    return None if found != found else found
