"""`tuner export`: a study as files that other tools read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.arguments import AnyStudy, settings
from tuner.cli.following.choice import take_study
from tuner.cli.printing import print_text, say
from tuner.errors import SetupError
from tuner.local import open_reader
from tuner.registry import EXPORTERS
from tuner.registry.exporters import exporter

#: Writes to standard output.
_STDOUT = "-"
_PIECE = 1 << 16


def export(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help=f"{', '.join(EXPORTERS.built_in)}, or what an installed package brings.",
        ),
    ],
    study: AnyStudy = None,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="A new file or folder (default: the study's name); - prints a file.",
        ),
    ] = None,
) -> None:
    """Write the trials of a study for other tools: CSV, JSON, MLflow, W&B.

    Trials that have not ended are left out. `tuner history add` reads the last two.
    """
    from tuner.cli.render.waiting import waiting
    from tuner.cli.writing.export_data import read_export
    from tuner.exporters.formats import export_study

    writer = exporter(kind)
    with tempfile.TemporaryDirectory(prefix="tuner-export-") as folder:
        spool = Path(folder, "trials.jsonl")
        with open_reader(settings()) as api:
            name = take_study(api, study)
            with waiting("reading the study", is_shown=to != _STDOUT):
                found, left_out = read_export(api, name, spool, curves=writer.takes_curves)
        suffix = writer.suffix or f".{kind}"
        path = Path(to or f"{name.partition('/')[2]}{suffix}")
        if to == _STDOUT:
            path = Path(folder, f"printed{suffix}")
        export_study(kind, found, path)
        if to == _STDOUT:
            _print(kind, path)
            return
    print_text(str(path))
    if left_out:
        said = f"{name}: {left_out} trials have not ended and are not in it"
        say(said, style="quiet")


def _print(kind: str, path: Path) -> None:
    from tuner.cli.render.output import LogPrinter

    if path.is_dir():
        raise SetupError(f"{kind} is a folder, which cannot be printed; name one with -o")
    # A terminal gets nothing that could control it; otherwise every byte is written.
    with path.open("rb") as file, LogPrinter(raw=False) as printer:
        while piece := file.read(_PIECE):
            printer.print(piece)
