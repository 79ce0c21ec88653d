"""`tuner spaces`: the ready search spaces, and why their ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.arguments import Json
from tuner.cli.printing import print_json

if TYPE_CHECKING:
    from rich.console import Console

    from tuner.cli.writing.ready import ReadySpace

_PROSE = 100
#: Minimum width for showing what the examples train on.
_WIDE = 140


def spaces(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="a ready space (default: list them all)"),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """List the ready search spaces; with NAME, show one: its ranges, their reasons and sources."""
    from tuner.cli.render.output import out
    from tuner.cli.writing.ready import find_space, ready_spaces

    if name is not None:
        space = find_space(name)
        if as_json:
            print_json(space.to_json())
        else:
            _print_space(out(), space)
        return
    found = list(ready_spaces().values())
    if as_json:
        print_json([space.to_json() for space in found])
    else:
        _print_list(out(), found)


def _print_list(console: Console, found: list[ReadySpace]) -> None:
    from tuner.cli.render.tables import empty_table

    table = empty_table()
    table.add_column("space", style="name", no_wrap=True)
    table.add_column("for", overflow="fold")
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("example", no_wrap=True)
    is_wide = console.width >= _WIDE
    for space in found:
        example = "-"
        if space.example is not None:
            example = space.example.data if is_wide else "yes"
        table.add_row(space.name, space.purpose, str(len(space.parameters)), example)
    console.print(table)
    console.print()
    console.print("why these ranges: tuner spaces NAME", style="quiet")
    said = (
        "spec and objective from one, ready to run where there is an example: tuner init NAME DIR"
    )
    console.print(said, style="quiet", soft_wrap=True)


def _print_space(console: Console, space: ReadySpace) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from tuner.cli.writing.flow import flow

    # Prose is wrapped at a readable width.
    width = min(console.width, _PROSE)
    console.print(f"[name]{space.name}[/]  {space.purpose}")
    for note in space.notes:
        console.print(Padding(Text(note), (1, 0, 0, 0)), width=width)
    for parameter in space.parameters:
        console.print()
        definition = Text(f"{parameter.name}: ", style="bold")
        definition.append(flow(parameter.definition), style="cyan")
        console.print(definition)
        console.print(Padding(Text(parameter.reason), (0, 0, 0, 2)), width=width)
    console.print()
    console.print("Sources", style="bold")
    for source in space.sources:
        console.print(Padding(Text(source), (0, 0, 0, 2)), width=width)
    console.print()
    console.print(Text(f"file: {space.path}", style="quiet"), soft_wrap=True)
    what = "a study of your own"
    if space.example is not None:
        what = f"a study on {space.example.data} that runs as it is"
    console.print(f"{what}: tuner init {space.name} DIR", style="quiet")
