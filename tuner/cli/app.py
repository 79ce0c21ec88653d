"""Every command under its name; the modules behind them import what they need when they run."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer

from tuner.cli.calling import spell
from tuner.cli.commands import (
    autoscale,
    board,
    change,
    check,
    convert,
    database,
    database_check,
    demand,
    doctor,
    edit,
    explain,
    export,
    history,
    init,
    launch,
    launch_ray,
    read,
    replay,
    report,
    run,
    serve,
    spaces,
    submit,
    token,
    workers,
)
from tuner.cli.help import CHANGE, LOOK, ONE, SERVE, Commands, SectionedGroup

app = Commands(
    name="tuner",
    cls=SectionedGroup,
    help="Hyperparameter tuning that remembers.",
    epilog=spell("Begin with: tuner run SPEC"),
    no_args_is_help=True,
    add_completion=False,
    # Typer's rich help and tracebacks: the former is slow to import, the latter print user's data.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _group(text: str) -> Commands:
    return Commands(
        cls=SectionedGroup,
        help=text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
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


app.command(rich_help_panel=ONE)(run.run)
app.command(rich_help_panel=ONE)(check.check)
app.command(rich_help_panel=ONE)(board.board)
app.command(rich_help_panel=ONE)(init.init)
app.command(rich_help_panel=ONE)(spaces.spaces)
app.command(rich_help_panel=ONE)(convert.convert)

app.command(rich_help_panel=SERVE)(submit.submit)
app.command(rich_help_panel=SERVE)(serve.serve)
app.command(rich_help_panel=SERVE)(serve.down)
app.command(rich_help_panel=SERVE)(doctor.doctor)
_workers = _group("The worker processes, each of which owns one device.")
_workers.command("up")(workers.up)
_workers.command("scale")(workers.scale)
_workers.command("autoscale")(autoscale.autoscale)
_workers.command("list")(workers.list_workers)
_workers.command("demand")(demand.demand)
_workers.command("drain")(workers.drain)
_workers.command("test")(workers.test)
app.add_typer(_workers, name="workers", rich_help_panel=SERVE)
_launch = _group("Workers on a cluster that somebody else's scheduler owns.")
_launch.command("slurm")(launch.slurm)
_launch.command("ray")(launch_ray.ray)
app.add_typer(_launch, name="launch", rich_help_panel=SERVE)
_tokens = _group("Tokens of the API: what others may do here, and for how long.")
_tokens.command("create")(token.create)
_tokens.command("list")(token.list_tokens)
_tokens.command("revoke")(token.revoke)
app.add_typer(_tokens, name="token", rich_help_panel=SERVE)
_database = _group("The database.")
_database.command("upgrade")(database.upgrade)
_database.command("backup")(database.backup)
_database.command("restore")(database.restore)
_database.command("check")(database_check.check)
app.add_typer(_database, name="db", rich_help_panel=SERVE)

_history = _group("Earlier runs, of Tuner's and of others, that new studies learn from.")
_history.command("add")(history.add)
_history.command("list")(history.list_history)
_history.command("remove")(history.remove)
app.add_typer(_history, name="history", rich_help_panel=LOOK)

app.command("list", rich_help_panel=LOOK)(read.list_studies)
app.command(rich_help_panel=LOOK)(read.status)
app.command(rich_help_panel=LOOK)(read.best)
app.command(rich_help_panel=LOOK)(read.show)
app.command(rich_help_panel=LOOK)(read.logs)
app.command(rich_help_panel=LOOK)(submit.watch)
app.command(rich_help_panel=LOOK)(read.events)
app.command(rich_help_panel=LOOK)(explain.explain)
app.command(rich_help_panel=LOOK)(replay.replay)
app.command(rich_help_panel=LOOK)(report.report)
app.command(rich_help_panel=LOOK)(export.export)

app.command(rich_help_panel=CHANGE)(change.pause)
app.command(rich_help_panel=CHANGE)(change.resume)
app.command(rich_help_panel=CHANGE)(change.stop)
app.command(rich_help_panel=CHANGE)(change.cancel)
app.command(rich_help_panel=CHANGE)(change.retry)
app.command(rich_help_panel=CHANGE)(edit.edit)
app.command(rich_help_panel=CHANGE)(change.delete)


def _spell_help(group: typer.Typer) -> None:
    """Have the help pages name our commands as they have to be typed."""
    for command in group.registered_commands:
        command.help = spell(inspect.getdoc(command.callback) or "")
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            _spell_help(inner.typer_instance)


_spell_help(app)
