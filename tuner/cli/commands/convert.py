"""`tuner convert`: the search of another tool as a study spec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.errors import SpecError
from tuner.registry import READERS

if TYPE_CHECKING:
    from tuner.convert import Converted

_KNOWN = "; ".join(extension.says for extension in READERS.built_in.values())
#: Notes that are printed; all of them stand in the spec.
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
    from tuner.cli.render.output import LogPrinter
    from tuner.convert import convert as read

    converted = read(file)
    if output is None:
        # Its comments hold texts of another tool's file.
        with LogPrinter(raw=False) as printer:
            printer.print(converted.text.encode())
    else:
        _write(output, converted.text)
    _say(converted, output)


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise SpecError(f"{path} already exists; name another file with -o") from None
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise SpecError(f"{path}: cannot be written: {reason}") from None


def _say(converted: Converted, output: Path | None) -> None:
    """Print what has no counterpart and what is left to do, apart from the spec."""
    from tuner.cli.render.output import err

    say = err()
    where = "" if output is None else f": {output}"
    say.print(f"{converted.tool}, as a spec{where}", markup=False, soft_wrap=True)
    said = [note for note in converted.notes if note.kind != "told"]
    for note in said[:_SHOWN]:
        label = "fill in" if note.kind == "fill" else "no counterpart"
        place = note.place.removeprefix("search_space.")
        line = f"  {label:<14}  {f'{place}: ' if place else ''}{note.text}"
        say.print(line, markup=False, soft_wrap=True)
    if len(said) > _SHOWN:
        say.print(f"  … and {len(said) - _SHOWN} more, in the comments of the spec", markup=False)
    if output is not None:
        say.print(f"next: tuner check {output}", markup=False, soft_wrap=True)
