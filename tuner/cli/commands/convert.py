"""`tuner convert`: the search of another tool as a study spec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.printing import print_file, say, write_new
from tuner.registry import READERS

if TYPE_CHECKING:
    from tuner.convert import Converted

_KNOWN = "; ".join(extension.says for extension in READERS.built_in.values())
#: Maximum number of notes that are printed; the spec contains all of them.
_SHOWN = 30


def convert(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help=f"{_KNOWN}; an Optuna database (file or URL, #NAME for one study of it) or "
            "journal; what an installed package reads.",
        ),
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="SPEC", help="Write a new file (default: print)."),
    ] = None,
) -> None:
    """Convert another tool's search to a spec: W&B, Katib, Ray Tune, Optuna, KerasTuner.

    Where Tuner has no counterpart, a comment in the spec says what replaces it; so does the output.
    """
    from tuner.convert import convert as read

    converted = read(file)
    if output is None:
        print_file(converted.text)
    else:
        write_new(output, converted.text)
    _say(converted, output)


def _say(converted: Converted, output: Path | None) -> None:
    """Print what has no counterpart and what is left to do, apart from the spec."""
    where = "" if output is None else f": {output}"
    say(f"{converted.tool}, as a spec{where}")
    said = [note for note in converted.notes if note.kind != "told"]
    for note in said[:_SHOWN]:
        label = "fill in" if note.kind == "fill" else "no counterpart"
        place = note.place.removeprefix("search_space.")
        line = f"  {label:<14}  {f'{place}: ' if place else ''}{note.text}"
        say(line)
    if len(said) > _SHOWN:
        say(f"  … and {len(said) - _SHOWN} more, in the comments of the spec")
    if output is not None:
        say(f"next: tuner check {output}")
