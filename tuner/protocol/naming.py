"""Turns a hypermodel's own names (`units 1`, `scope/x`) into names of a search space: dotted words.

A name may have several definitions under different conditions. The first keeps the name, further
ones are called `<name>.<value of the innermost condition>`; a name already taken gets a number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Any

#: Maximum length of a name of the search space, in characters.
MAX_NAME = 100
_NO_WORD = re.compile(r"[^A-Za-z0-9_]+")


def dotted_name(source: str) -> str:
    """Return the dotted word for a name: `scope/x` becomes scope.x, `units 1` becomes units_1."""
    words = [_word(part) for part in re.split(r"[/.]", source)]
    return ".".join(word for word in words if word)[:MAX_NAME].rstrip(".") or "parameter"


def free_name(name: str, taken: Collection[str]) -> str:
    """Return `name`, with a number appended if it is taken."""
    number, found = 1, name
    while found in taken:
        number += 1
        ending = f"_{number}"
        found = name[: MAX_NAME - len(ending)] + ending
    return found


def branch_name(name: str, value: Any) -> str:
    """Return the name of a further definition of `name`, under a condition with this value."""
    ending = f".{_word(str(value)) or 'other'}"
    return name[: MAX_NAME - len(ending)].rstrip(".") + ending


def _word(text: str) -> str:
    """Return a text as one word of letters, digits and _; empty if it has none of these."""
    plain = unicodedata.normalize("NFKD", text.strip()).encode("ascii", "ignore").decode()
    word = _NO_WORD.sub("_", plain)
    if word != text:
        word = word.strip("_")
    return f"_{word}" if word[:1].isdigit() else word
