"""What `tuner launch` writes and prints, whatever it launches on."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuner.cli.printing import print_text

if TYPE_CHECKING:
    from pathlib import Path

    from tuner.launch.order import Purpose

_LABEL = 8


def purpose(output: Path | None, *, dry_run: bool) -> Purpose:
    """Return the purpose of the script."""
    if dry_run:
        return "show"
    return "start" if output is None else "write"


def one_word(option: str, value: str | None) -> str | None:
    """Return the value of an option for the scheduler, checked; None is unchanged.

    Raises:
        SpecError: it is more than one word.
    """
    from tuner.launch.words import check_word

    return None if value is None else check_word(option, value)


def typed(*words: object) -> str:
    """Return words as they are typed in a shell."""
    return shlex.join(map(str, words))


def say(lines: list[tuple[str, str]]) -> None:
    """Print what was done and what to type next, as pairs of label and text."""
    for label, text in lines:
        print_text(f"{label:<{_LABEL}} {text}")
