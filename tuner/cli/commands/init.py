"""`tuner init`: a first study from a ready search space, or the files of a Compose deployment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.arguments import Json
from tuner.cli.calling import command
from tuner.cli.printing import print_json, print_text, say
from tuner.cli.writing.image_facts import read_image_facts
from tuner.errors import SpecError

if TYPE_CHECKING:
    from tuner.cli.writing.compose_folder import Wanted
    from tuner.cli.writing.first_study import FirstStudy
    from tuner.cli.writing.ready import ReadySpace


#: Given in place of a ready space's name.
_COMPOSE = "compose"


def init(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="a ready space, as `tuner spaces` lists them (default: asks); or compose: the "
            "service, its workers and TensorBoard in containers on this host",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="where to write; created if missing (default: NAME)"),
    ] = None,
    *,
    image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="compose: the workers' image, name@sha256:…"),
    ] = None,
    image_facts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="compose: the workers' image's own /app/image.json, copied out of it; workers "
            "that are another get nothing.",
        ),
    ] = None,
    server_image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="compose: the server's image, name@sha256:…"),
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="compose: a name or address by which other machines reach this one; they may "
            "then. Repeatable.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a first study from a ready search space, or a deployment; overwrite nothing."""
    from tuner.cli.writing.first_study import write_study
    from tuner.cli.writing.ready import find_space

    if name == _COMPOSE:
        from tuner.cli.writing.compose_folder import Wanted

        facts = None if image_facts is None else read_image_facts(image_facts)
        wanted = Wanted(
            image=image, facts=facts, server_image=server_image, hosts=tuple(host or ())
        )
        _init_compose(folder, wanted, as_json=as_json)
        return
    if image or image_facts or server_image or host:
        raise SpecError(
            "--image, --image-facts, --server-image and --host are of `tuner init compose DIR`"
        )
    space = find_space(name) if name is not None else _ask()
    made = write_study(space, folder or Path(space.name))
    if as_json:
        print_json(made.to_json())
    else:
        print_text(_said(made))


def _init_compose(folder: Path | None, wanted: Wanted, *, as_json: bool) -> None:
    from tuner.cli.writing.compose_folder import write_compose
    from tuner.cli.writing.compose_text import compose_text

    made = write_compose(folder or Path(_COMPOSE), wanted)
    if as_json:
        print_json(made.to_json())
    else:
        print_text(compose_text(made))


def _ask() -> ReadySpace:
    """Return the ready space that is chosen on the terminal.

    Raises:
        SpecError: there is nobody to ask.
    """
    from tuner.cli.writing.ready import find_space, ready_spaces

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
        say(f"{number:3}  {space.name:{width}}  {space.purpose}{runs}")
    while True:
        answer = typer.prompt("Number or name", err=True).strip()
        if answer.isdecimal() and len(answer) < 4 and 1 <= int(answer) <= len(spaces):
            return spaces[int(answer) - 1]
        try:
            return find_space(answer)
        except SpecError as exc:
            say(str(exc), style="warn")


def _said(made: FirstStudy) -> str:
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
