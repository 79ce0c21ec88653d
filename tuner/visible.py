"""Untrusted text on a terminal: control and invisible characters are written out.

An escape sequence in a trial's error could retitle a window, write to the clipboard or erase lines;
a mark that changes the direction of writing makes a name read like another one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

#: C0 except tab and newline, DEL, C1; lone surrogates; line separators; marks of direction, of zero
#: width and of format (Unicode's Cf except visible Arabic signs); blank fillers. A test compares
#: this with the tables of the running Python.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
#: Colours and weights (SGR). Not 5, 6 and 8, which blink and hide.
_STYLE = (
    r"(?:0?[0-47]|9|2[1-47-9]|[349][0-7]|39|49|10[0-7]"
    r"|[34]8[;:]5[;:]\d{1,3}|[34]8;2(?:;\d{1,3}){3})"
)
_COLOUR = re.compile(rf"\x1b\[(?:{_STYLE}(?:;{_STYLE})*)?m")
#: Matches a possible beginning of a colour whose end has not arrived yet.
_BEGUN = re.compile(r"(?:\x1b(?:\[[\d;:]{0,40})?|\r)\Z")
_RESET = "\x1b[0m"


def visible(text: str) -> str:
    r"""Return text that cannot control a terminal: an ESC becomes `\x1b`, a mark `\u202e`.

    Tabs and newlines stay. Text that is visible already is returned unchanged.
    """
    return _UNSAFE.sub(_written_out, text)


def finite(value: Any) -> Any:
    """Return a JSON value in strict JSON: null in place of NaN and infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def escape_json(document: str) -> str:
    r"""Return an equivalent JSON document, with `\uXXXX` for what `visible` writes out."""
    return _UNSAFE.sub(_escaped, document)


class LogView:
    """The output of a trial in a form that is safe for a terminal, piece by piece.

    Sequences that were split between pieces are joined. Colours pass and end with the view; a
    carriage return becomes a new line, so that nothing is overwritten.

    Args:
        colours: False removes them, for a terminal that has none.
    """

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours
        self._held = ""
        self._coloured = False

    def show(self, piece: str) -> str:
        """Return what can be shown of the next piece."""
        text = self._held + piece
        begun = _BEGUN.search(text)
        self._held = begun.group() if begun else ""
        return self._shown(text[: len(text) - len(self._held)])

    def end(self) -> str:
        """Return what was held back, and the end of a colour that is still open."""
        rest, self._held = self._shown(self._held), ""
        return rest + (_RESET if self._coloured else "")

    def _shown(self, text: str) -> str:
        lines = text.replace("\r\n", "\n").replace("\r", "\n")
        parts, at = [], 0
        for colour in _COLOUR.finditer(lines):
            parts.append(visible(lines[at : colour.start()]))
            if self._colours:
                parts.append(colour.group())
                self._coloured = colour.group() not in ("\x1b[m", _RESET)
            at = colour.end()
        return "".join(parts) + visible(lines[at:])


def _written_out(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escaped(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
