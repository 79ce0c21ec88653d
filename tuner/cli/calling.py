"""How this program is typed: a command that we print has to work in a new shell."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tuner.registry.commands import COMMANDS

NAME = "tuner"
#: What follows the program's name if a text refers to a command rather than the project.
WORDS = tuple(dict.fromkeys(name.partition(" ")[0] for name in COMMANDS.built_in))
#: `python -m tuner run` is complete already.
_COMMAND = re.compile(rf"(?<![\w./-])(?<!-m ){NAME} (?=(?:{'|'.join(WORDS)})\b)")


@cache
def program() -> str:
    """Return what to type for this program, in this folder and with the current PATH.

    `tuner` if the PATH leads to this very program, else its path: `.venv/bin/tuner`.
    """
    called = Path(sys.argv[0])
    if called.name == "__main__.py" and called.parent.name == NAME:
        script = Path(sys.executable).with_name(NAME)
        return way_to(script) if script.is_file() else f"{way_to(Path(sys.executable))} -m {NAME}"
    # Anything else is not our program: somebody's script, or a test.
    return way_to(called) if called.name == NAME and called.is_file() else NAME


def way_to(file: Path) -> str:
    """Return how a shell in this folder refers to `file`: a name, a relative or an absolute path.

    Args:
        file: a program. Only links to its folder are resolved: the Python of an environment is a
            link to one that does not know its packages.
    """
    found = shutil.which(file.name)
    if found is not None and _place(Path(found)) == _place(file):
        return file.name
    path = file.absolute()
    if path.is_relative_to(Path.cwd()):
        relative = str(path.relative_to(Path.cwd()))
        return shlex.quote(relative if os.sep in relative else os.path.join(".", relative))  # noqa: PTH118 - pathlib drops the dot
    return shlex.quote(str(path))


def command(*args: object) -> str:
    """Return a command of this program as it is typed, with its arguments quoted."""
    return " ".join([program(), shlex.join(map(str, args))])


def spell(text: str, escape: Callable[[str], str] = str) -> str:
    """Return a text in which every `tuner COMMAND` is written as it has to be typed here.

    Texts of the service name commands without knowing who will read them, and where.

    Args:
        text: a text of ours.
        escape: applied to the program's path before it is inserted.
    """
    typed = program()
    return text if typed == NAME else _COMMAND.sub(lambda _: f"{escape(typed)} ", text)


def near(path: Path) -> str:
    """Return a path as it is typed in this folder: relative if it is inside."""
    whole = path.absolute()
    inside = whole.is_relative_to(Path.cwd())
    return shlex.quote(str(whole.relative_to(Path.cwd()) if inside else whole))


def _place(file: Path) -> Path:
    return file.parent.resolve() / file.name
