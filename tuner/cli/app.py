"""The program: every command of `tuner.registry.COMMANDS`, imported when it is called."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.calling import spell
from tuner.cli.commands_found import RootGroup

app = typer.Typer(
    name="tuner",
    cls=RootGroup,
    help="Hyperparameter tuning that remembers.",
    epilog=spell("Begin with: tuner run SPEC"),
    no_args_is_help=True,
    add_completion=False,
    # Typer's rich help is slow to import, and its rich tracebacks print the user's data.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(value: bool) -> None:
    if value:
        from tuner.release import release

        typer.echo(f"tuner {release()}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the release.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    del version
