"""The command of one trial: the texts of the spec, filled in with the trial's values."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tuner.protocol import COMMAND_WORDS, fill_places, is_one_place, places
from workers.command.errors import CommandError

#: Words for the interpreter of the worker itself.
_PYTHON = ("python", "python3")


def fill_command(
    command: Sequence[str], params: Mapping[str, Any], words: Mapping[str, Any]
) -> list[str]:
    """Return the arguments of a trial's command; the first is the program.

    A text with a parameter that the trial lacks (its condition does not hold) is left out. So is
    the preceding option if the text consists only of the value: `--momentum`, `{momentum}`.

    Args:
        command: as in the spec.
        words: the values of `COMMAND_WORDS`.

    Raises:
        CommandError: nothing is left, or a value cannot be an argument.
    """
    filled: list[str] = []
    #: Whether the last text is an option whose value follows.
    waits = False
    for text in command:
        names = list(places(text))
        if any(name not in params and name not in COMMAND_WORDS for name in names):
            if waits and is_one_place(text):
                filled.pop()
            waits = False
            continue
        filled.append(fill_places(text, lambda name: _text(name, params, words)))
        waits = not names and text.startswith("-") and "=" not in text
    if not filled:
        raise CommandError("command: all of its texts name parameters that this trial has not")
    if filled[0] in _PYTHON:
        filled[0] = sys.executable
    return filled


def _text(name: str, params: Mapping[str, Any], words: Mapping[str, Any]) -> str:
    """Return a value as an argument: text unchanged, everything else as in JSON."""
    value = params[name] if name in params else words[name]
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else repr(value)
    if "\0" in text:
        raise CommandError(f"command: the value of {name} holds a NUL, which no argument can")
    return text
