"""Writes a draft as a YAML file such as a person would write, with its notes as comments."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Any

from tuner.convert.draft import Note, SpecDraft
from tuner.space.value import Value
from tuner.spec.reading.yaml12 import plain_value

_WIDTH = 100
_HEAD = ("project", "study", "objective", "hypermodel", "command", "metric")
_TAIL = ("start_with", "sampler", "pruner", "history", "budget", "parallel", "trial", "image")
_MARKS = {"lost": "no counterpart: ", "fill": "FILL IN: ", "told": ""}
_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*(:[A-Za-z0-9_]+)?")


def write(draft: SpecDraft, source: str) -> str:
    """Return the text of the spec.

    Args:
        source: name of the file that it was made from.
    """
    lines = [f"# Made of {source}, {draft.tool}, by `tuner convert`."]
    if any(note.kind == "fill" for note in draft.notes):
        lines.append("# Before it can run: everything marked FILL IN.")
    lines += _comments(_of(draft, ""), "")
    for key in _HEAD:
        lines += _entry(draft, key)
    lines += ["", *_comments(_of(draft, "search_space"), ""), "search_space:", *_space(draft), ""]
    for key in _TAIL:
        lines += _entry(draft, key)
    return "\n".join(lines) + "\n"


def _entry(draft: SpecDraft, key: str) -> list[str]:
    notes = _of(draft, key)
    if key not in draft.values:
        return _comments(notes, "")
    value = draft.values[key]
    line = f"{key}: {_flow(value)}"
    if not isinstance(value, list) or len(line) <= _WIDTH:
        return _commented(line, notes, "")
    return [*_comments(notes, ""), f"{key}:", *(f"  - {_flow(item)}" for item in value)]


def _space(draft: SpecDraft) -> list[str]:
    # Aligned if the names have similar lengths, as people do.
    width = min(max(map(len, draft.space), default=0), 28) + 1
    lines: list[str] = []
    for name, definition in draft.space.items():
        line = f"  {f'{name}:'.ljust(width)} {_flow(definition)}"
        lines += _commented(line, _of(draft, f"search_space.{name}"), "  ")
    return lines


def _of(draft: SpecDraft, place: str) -> list[Note]:
    return [note for note in draft.notes if note.place == place]


def _commented(line: str, notes: list[Note], indent: str) -> list[str]:
    """Return a line with its notes: a single short one after it, others above."""
    if len(notes) == 1:
        whole = f"{line}  # {_MARKS[notes[0].kind]}{notes[0].text}"
        if len(whole) <= _WIDTH:
            return [whole]
    return [*_comments(notes, indent), line]


def _comments(notes: Iterable[Note], indent: str) -> list[str]:
    lines: list[str] = []
    for note in notes:
        lines += textwrap.wrap(
            f"{_MARKS[note.kind]}{note.text}",
            width=_WIDTH,
            initial_indent=f"{indent}# ",
            subsequent_indent=f"{indent}#   ",
            break_on_hyphens=False,
        )
    return lines


def _flow(value: Any) -> str:
    """Return a value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return scalar(value)


def scalar(value: Value) -> str:
    """Return a string, number or boolean as YAML 1.2."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        # As people write it: 1e-5.
        return re.sub(r"e([+-]?)0*(\d)", r"e\1\2", repr(value)).replace("e+", "e")
    if _PLAIN.fullmatch(value) and plain_value(value) == value:
        return value
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(letter: str) -> str:
    """Return a character as written in double quotes, where a line break is read as a space."""
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    return _NAMED.get(letter) or f"\\U{ord(letter):08x}"
