"""`tuner init`: a first study, from a ready search space."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.arguments import Json
from tuner.errors import SpecError

if TYPE_CHECKING:
    from tuner.cli.first_study import FirstStudy
    from tuner.cli.ready import ReadySpace


def init(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="a ready space, as `tuner spaces` lists them (default: asks)"
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR", help="where to write; made when missing (default: the space's name)"
        ),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Write a first study, spec and objective, from a ready search space; overwrites nothing."""
    from tuner.cli.first_study import write_study
    from tuner.cli.output import out, print_json
    from tuner.cli.ready import find_space

    space = find_space(name) if name is not None else _ask()
    made = write_study(space, folder or Path(space.name))
    if as_json:
        print_json(made.to_json())
    else:
        out().print(_said(made), markup=False, soft_wrap=True)


def _ask() -> ReadySpace:
    """Return the ready space that is chosen on the terminal.

    Raises:
        SpecError: there is nobody to ask.
    """
    from tuner.cli.calling import command
    from tuner.cli.output import err
    from tuner.cli.ready import find_space, ready_spaces

    spaces = list(ready_spaces().values())
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        names = ", ".join(space.name for space in spaces)
        raise SpecError(
            f"which search space? name one: {command('init')} NAME DIR; there are {names} "
            f"(`{command('spaces')}` says what for)"
        )
    width = max(len(space.name) for space in spaces)
    for number, space in enumerate(spaces, 1):
        runs = "" if space.example is None else "  (runs as it is)"
        err().print(f"{number:3}  {space.name:{width}}  {space.purpose}{runs}", markup=False)
    while True:
        answer = typer.prompt("Number or name", err=True).strip()
        if answer.isdecimal() and len(answer) < 4 and 1 <= int(answer) <= len(spaces):
            return spaces[int(answer) - 1]
        try:
            return find_space(answer)
        except SpecError as exc:
            err().print(str(exc), style="warn", markup=False)


def _said(made: FirstStudy) -> str:
    from tuner.cli.calling import command

    lines = [f"wrote    {path}" for path in made.files]
    if made.missing:
        lines.append(made.missing_text())
    cd = "" if made.folder == Path() else f"cd {made.quoted_folder} && "
    if made.is_runnable:
        lines.append(f"run it   {cd}{command('run')} {made.spec.name}")
    else:
        lines += [
            f"next     put your training into {made.objective}",
            f"then     {cd}{command('check')} {made.spec.name}",
        ]
    return "\n".join(lines)
