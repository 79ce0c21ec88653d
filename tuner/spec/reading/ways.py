"""Reads what a trial runs: an objective, a hypermodel, a command, or nothing that Tuner starts."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import Any

from tuner.protocol import COMMAND_WORDS, places
from tuner.space import Problems
from tuner.space.problem import did_you_mean
from tuner.space.value import show_all
from tuner.spec.model import Head
from tuner.spec.reading.sections import read_section
from tuner.spec.rules import EXTERNAL

#: The keys of which a spec must have exactly one.
WAYS = ("objective", "hypermodel", "command")

_ONE = (
    "module:function, as objectives.digits:train; or in its place hypermodel: module:Name, "
    "command: [texts], or objective: external"
)


def read_head(data: Mapping[str, Any], problems: Problems) -> Head | None:
    """Return the scalar values of a spec, exactly one of which says what a trial runs."""
    given = {key: value for key, value in data.items() if key in Head.model_fields}
    named = [key for key in WAYS if given.get(key) is not None]
    head = read_section(Head, given, (), problems)
    if not named:
        problems.missing(("objective",), _ONE)
    for key in named[1:]:
        problems.key(
            (key,), f"beside {named[0]}", f"one of {', '.join(WAYS)}; leave out the others"
        )
    return head if len(named) == 1 else None


def finds_space(data: Mapping[str, Any]) -> bool:
    """Whether the trials find all parameters, or those that the document does not define."""
    return data.get("hypermodel") is not None or data.get("objective") == EXTERNAL


def check_command(
    command: tuple[str, ...], parameters: Collection[str], problems: Problems
) -> None:
    """Report placeholders for parameters that do not exist."""
    known = (*parameters, *COMMAND_WORDS)
    for index, text in enumerate(command):
        for name in places(text):
            if name not in known:
                allowed = functools.partial(_known, name, known)
                problems.wrong(("command", index), text, allowed)


def _known(name: str, known: tuple[str, ...]) -> str:
    near = did_you_mean(name, known)
    return (
        f"{near}in braces a parameter of search_space or one of {show_all(known)}; "
        f"braces that stand for themselves are doubled: {{{{{name}}}}}"
    )
