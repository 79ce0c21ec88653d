"""Parameters on a screen: most important first, values complete or marked as cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.markup import escape

from tuner.cli.render.output import parameter

#: Maximum width of a value, or of a part of a name, in a column; longer ones are cut with a mark.
LONGEST = 24
MARK = "…"


def ordered(names: Iterable[str], order: Sequence[str]) -> list[str]:
    """Return names in `order`; those that are not in it follow in their own order."""
    place = {name: at for at, name in enumerate(order)}
    return sorted(dict.fromkeys(names), key=lambda name: place.get(name, len(place)))


def short_names(names: Sequence[str]) -> list[str]:
    """Return the last parts of hierarchical names where these are unique, else whole names."""
    last = [name.rpartition(".")[2] for name in names]
    return [
        short if last.count(short) == 1 else name for name, short in zip(names, last, strict=True)
    ]


def params_text(params: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return `learning_rate=0.001 layers=2` for the existing names, as rich markup."""
    return " ".join(_pair(name, value) for name, value in _pairs(params, names))


def fitted_params(params: Mapping[str, Any], names: Iterable[str], room: int) -> str:
    """Return as many parameters as fit into some columns, and the number of others.

    Args:
        names: which of them to show, in this order.
        room: available columns; if not even the first parameter fits, it is cut with a mark.
    """
    pairs = _pairs(params, names)
    widths = [cell_len(f"{name}={value}") for name, value in pairs]
    count = len(pairs)
    while count and _width(widths[:count], len(pairs) - count) > room:
        count -= 1
    if count:
        rest = len(pairs) - count
        more = f" [quiet]{_more(rest)}[/]" if rest else ""
        return " ".join(_pair(name, value) for name, value in pairs[:count]) + more
    if not pairs or room < LONGEST // 2 + len(_more(len(pairs))):
        return f"[quiet]{_more(len(pairs))}[/]" if pairs and room >= len(_more(1)) else ""
    others = f" {_more(len(pairs) - 1)}" if len(pairs) > 1 else ""
    name, value = pairs[0]
    left = room - len(others) - cell_len(value) - 1
    if left > 1:
        return f"{_pair(cut(name, left), value)}[quiet]{others}[/]"
    return f"{escape(cut(f'{name}={value}', room - len(others)))}[quiet]{others}[/]"


def cut(text: str, longest: int = LONGEST) -> str:
    """Return a text with a maximum number of columns; one that is cut ends with a mark."""
    if cell_len(text) <= longest:
        return text
    return set_cell_size(text, longest - 1).rstrip() + MARK


def header(name: str, longest: int = LONGEST // 2) -> str:
    """Return a name on several lines, split at its dots and at underscores of long parts."""
    lines: list[str] = []
    for part in name.replace(".", ".\n").split("\n"):
        line = ""
        for word in part.replace("_", "_\n").split("\n"):
            if line and len(line) + len(word) > longest and len(part) > longest + 2:
                lines.append(line)
                line = ""
            line += word
        lines.append(cut(line))
    return "\n".join(lines)


def _pairs(params: Mapping[str, Any], names: Iterable[str]) -> list[tuple[str, str]]:
    chosen = [name for name in names if name in params]
    values = (parameter(params[name]) for name in chosen)
    return list(zip(short_names(chosen), values, strict=True))


def _pair(name: str, value: str) -> str:
    return f"[quiet]{escape(name)}=[/]{escape(value)}"


def _width(widths: Sequence[int], rest: int) -> int:
    return sum(widths) + len(widths) - 1 + (1 + len(_more(rest)) if rest else 0)


def _more(count: int) -> str:
    return f"+{count} more"
