"""Output: consoles, one JSON document, and the format of numbers and times."""

from __future__ import annotations

import codecs
import io
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any, Self

from rich.console import Console, ConsoleOptions, RenderableType
from rich.errors import MarkupError
from rich.markup import escape
from rich.segment import Segment
from rich.text import Text
from rich.theme import Theme
from typing_extensions import override

from tuner.cli.calling import spell
from tuner.documents.submission import SpecChange
from tuner.visible import LogView, visible

_THEME = Theme(
    {
        "label": "dim",
        "name": "bold",
        "best": "bold green",
        "good": "green",
        "warn": "yellow",
        "bad": "red",
        "quiet": "dim",
    }
)
#: Markup tags that are ours. A foreign `[link=…]` would become an escape sequence.
_OWN_TAGS = frozenset({"/", "bold", "cyan", *_THEME.styles})
#: Tags as rich finds them.
_TAG = re.compile(r"(\\*)\[([a-z#/@][^\[]*?)\]")
#: Width for output to a file or a pipe, which is not cut at 80 columns.
_PIPE_WIDTH = 200

#: The style of a trial's or study's state.
STYLES = {
    "COMPLETE": "good",
    "PRUNED": "warn",
    "FAIL": "bad",
    "RUNNING": "cyan",
    "WAITING": "quiet",
    "running": "cyan",
    "paused": "warn",
    "stopping": "warn",
    "finished": "good",
    "failed": "bad",
    "cancelled": "bad",
}


@cache
def out() -> Console:
    """Return the console for results."""
    return _console(stderr=False)


@cache
def err() -> Console:
    """Return the console for messages: with `--json`, standard output holds nothing else."""
    return _console(stderr=True)


def has_bars(console: Console) -> bool:
    """Whether a console can show bars and the like, rather than ASCII."""
    return console.encoding.lower().startswith("utf")


def change_text(change: SpecChange) -> str:
    """Return a change of a study as `budget.trials: 4 → 6`."""
    after_code = " for trials from now on"
    if change.get("detail"):
        return f"{change['key']}: {'; '.join(change['detail'])}{after_code}"
    old, new = (_side(change["key"], change[side]) for side in ("old", "new"))
    after = after_code if change["key"] == "code" else ""
    return f"{change['key']}: {old} → {new}{after}"


def _side(key: str, value: Any) -> str:
    if value is None:
        return "none"
    if key == "code":
        # A hash is long, and `tuner check` shows its first digits.
        return str(value)[:12]
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


class LogPrinter:
    """Prints what a trial wrote: byte for byte, or made safe for a terminal; a context manager.

    Args:
        raw: byte for byte even on a terminal.
    """

    def __init__(self, *, raw: bool) -> None:
        console = out()
        is_shown = console.is_terminal and not raw
        self._view = LogView(colours=console.color_system is not None) if is_shown else None
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace")

    def print(self, data: bytes) -> None:
        """Print the next piece."""
        if self._view is None:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            self._write(self._view.show(self._decoder.decode(data)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._view is not None:
            self._write(self._view.show(self._decoder.decode(b"", final=True)) + self._view.end())

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def number(value: object) -> str:
    """Return a number for comparison by people: at most six digits; a dash for None."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def parameter(value: object) -> str:
    """Return the value of a parameter: four digits; true and false as in YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else visible(str(value))


def duration(seconds: float | None) -> str:
    """Return a duration in its largest two units."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24} h"


def moment(text: str | None) -> str:
    """Return an ISO 8601 time in local time."""
    time = parse_time(text)
    return "-" if time is None else time.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(text: str | None) -> str:
    """Return how long ago an ISO 8601 time was."""
    time = parse_time(text)
    if time is None:
        return "-"
    return duration(max(0.0, (datetime.now(UTC) - time).total_seconds())) + " ago"


def parse_time(text: str | None) -> datetime | None:
    """Return the ISO 8601 time, None for none."""
    return datetime.fromisoformat(text) if text else None


def styled(state: str) -> str:
    """Return a state with its colour, as rich markup."""
    style = STYLES.get(state)
    return f"[{style}]{state}[/]" if style else state


def _keep_own(match: re.Match[str]) -> str:
    """Return a tag unchanged if it is one of ours or escaped, else as literal text."""
    backslashes, tag = match.groups()
    if len(backslashes) % 2 or tag in _OWN_TAGS:
        return match.group()
    return f"{backslashes}{backslashes}\\[{tag}]"


class _Console(Console):
    """A console that no text can control, and that shows our commands as they are typed here."""

    @override
    def render_str(self, text: str, *, markup: bool | None = None, **how: Any) -> Text:
        is_markup = self._markup if markup is None else markup
        # Here as well, so that a table is laid out for what will be seen.
        spelt = spell(visible(text), escape if is_markup else str)
        if not is_markup:
            return super().render_str(spelt, markup=False, **how)
        try:
            return super().render_str(_TAG.sub(_keep_own, spelt), markup=True, **how)
        except MarkupError:
            # An end tag without a start, in a foreign text that was not escaped.
            return super().render_str(spelt, markup=False, **how)

    @override
    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Yield the output. Everything passes here; only rich itself controls the terminal."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        # A character that the locale lacks is no reason to fail.
        stream.reconfigure(errors="replace")
    # FORCE_COLOR makes rich treat a log as a terminal. It may get colours, but nothing that moves
    # the cursor.
    is_screen = stream.isatty()
    console = _Console(
        stderr=stderr,
        theme=_THEME,
        highlight=False,
        soft_wrap=False,
        force_interactive=None if is_screen else False,
    )
    if not is_screen:
        console.width = max(console.width, _PIPE_WIDTH)
    return console
