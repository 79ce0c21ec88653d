"""HTML of a report, escaped so that whatever a log contains stays text."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tuner.visible import escape_json, visible

#: Maximum length of a text from a log; its file has all of it.
MOST_TEXT = 2_000


class Html(str):
    """Finished markup; any other string is treated as text."""

    __slots__ = ()


def tag(name: str, *children: object, **attributes: str) -> Html:
    """Return an element.

    Args:
        children: markup is inserted unchanged, anything else as text.
        attributes: a trailing underscore is dropped (`class_`), an inner one becomes a hyphen.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[object]) -> Html:
    """Return the concatenation of markup and texts."""
    return Html("".join(c if isinstance(c, Html) else text(c) for c in children))


def text(value: object, most: int = MOST_TEXT) -> Html:
    """Return a value as text: bounded, without marks that change its direction or hide it."""
    whole = str(value)
    shown = visible(whole[:most]) + (" …" if len(whole) > most else "")
    return Html(html.escape(shown))


def embedded_json(identity: str, document: object) -> Html:
    """Return a script element with a document, none of whose content can end it."""
    written = escape_json(_json(document))
    for mark in "<>&":
        written = written.replace(mark, f"\\u{ord(mark):04x}")
    return Html(f'<script type="application/json" id="{html.escape(identity)}">{written}</script>')


def _json(document: object) -> str:
    try:
        return json.dumps(document, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        # Numbers that are not finite are left out.
        loose = json.dumps(document, ensure_ascii=False, default=str)
        return json.dumps(json.loads(loose, parse_constant=lambda _: None), ensure_ascii=False)


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    """Return a table whose first column names the row."""
    head = tag("tr", *(tag("th", name, scope="col") for name in heads))
    body = (
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
        for row in rows
    )
    return tag(
        "div",
        tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body)),
        class_="scroll",
    )


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Return names with their values, omitting those without one."""
    found = (tag("dt", name) + tag("dd", value) for name, value in pairs if value not in (None, ""))
    return tag("dl", *map(Html, found))


def value_text(value: Any) -> str:
    """Return the value of a parameter or a result in readable form; a dash for an absent one."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping) and set(value) == {"int"}:
        return str(value["int"])
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def seconds_text(value: Any) -> str:
    """Return a duration in readable form; empty for none."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e9:
        return ""
    if value < 100:
        return f"{value:.3g} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
