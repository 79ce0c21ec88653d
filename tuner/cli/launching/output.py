"""What `tuner launch` writes and prints, whatever it launches on."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.cli.printing import print_text
from tuner.errors import SpecError

if TYPE_CHECKING:
    from tuner.launch.order import Purpose

_LABEL = 8


def purpose(output: Path | None, *, dry_run: bool) -> Purpose:
    """Return what the script is for."""
    if dry_run:
        return "show"
    return "start" if output is None else "write"


def this_python() -> str:
    """Return this interpreter, which nodes have too where its folder is shared."""
    return sys.executable


def one_word(option: str, value: str | None) -> str | None:
    """Return the value of an option that the scheduler reads, checked; None stays.

    Raises:
        SpecError: it is more than one word.
    """
    from tuner.launch.words import check_word

    return None if value is None else check_word(option, value)


def print_script(text: str) -> None:
    """Print a script; it holds paths and values of the user's."""
    from tuner.cli.render.output import LogPrinter

    with LogPrinter(raw=False) as printer:
        printer.print(text.encode())


def write_new(path: Path, text: str) -> None:
    """Write a script to a new file, which may be run.

    Raises:
        SpecError: there is a file, or it cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        path.chmod(0o700)
    except FileExistsError:
        raise SpecError(f"-o {path} already exists; name a new file") from None
    except OSError as exc:
        raise SpecError(f"-o {path}: cannot be written: {exc.strerror}") from exc


def typed(*words: object) -> str:
    """Return words as they are typed in a shell."""
    return shlex.join(map(str, words))


def say(lines: list[tuple[str, str]]) -> None:
    """Print what was done and what to type next: a label and a text each."""
    for label, text in lines:
        print_text(f"{label:<{_LABEL}} {text}")
