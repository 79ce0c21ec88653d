"""How this program is typed: what is printed as the next command has to work in a new shell."""

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
#: What follows the program's name where a text names a command, and not the project.
WORDS = tuple(dict.fromkeys(name.partition(" ")[0] for name in COMMANDS.built_in))
#: `python -m tuner run` is spelled already.
_COMMAND = re.compile(rf"(?<![\w./-])(?<!-m ){NAME} (?=(?:{'|'.join(WORDS)})\b)")


@cache
def program() -> str:
    """Return what has to be typed for this program, in this folder and with the PATH as it is.

    `tuner` where the PATH leads to this very program, else the way to it: `.venv/bin/tuner`.
    """
    called = Path(sys.argv[0])
    if called.name == "__main__.py" and called.parent.name == NAME:
        script = Path(sys.executable).with_name(NAME)
        return way_to(script) if script.is_file() else f"{way_to(Path(sys.executable))} -m {NAME}"
    # Anything else is no program of ours: somebody's script, or a test.
    return way_to(called) if called.name == NAME and called.is_file() else NAME


def way_to(file: Path) -> str:
    """Return what a shell in this folder takes for `file`: a name, a relative or an absolute path.

    Args:
        file: a program. Of links only the folder is followed: the Python of an environment is a
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
    """Return a text in which every `tuner COMMAND` stands as it has to be typed here.

    Texts of the service name commands without knowing who will read them, and where.

    Args:
        text: of ours.
        escape: what the program's path has to go through to stand in the text.
    """
    typed = program()
    return text if typed == NAME else _COMMAND.sub(lambda _: f"{escape(typed)} ", text)


def near(path: Path) -> str:
    """Return a path as it is typed in this folder: relative where it lies in it."""
    whole = path.absolute()
    inside = whole.is_relative_to(Path.cwd())
    return shlex.quote(str(whole.relative_to(Path.cwd()) if inside else whole))


def _place(file: Path) -> Path:
    return file.parent.resolve() / file.name
