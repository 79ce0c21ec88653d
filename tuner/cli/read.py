"""The commands that look: they start nothing and change nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.arguments import Json, Study, Trial, settings


def list_studies(*, as_json: Json = False) -> None:
    """List the studies, newest first."""
    from tuner.cli import output, tables
    from tuner.errors import NotFoundError
    from tuner.local import open_reader

    try:
        with open_reader(settings()) as api:
            rows = sorted(api.list(), key=lambda row: row["created"], reverse=True)
    except NotFoundError:
        rows = []
    if as_json:
        output.print_json(rows)
    elif rows:
        console = output.out()
        console.print(tables.study_table(rows, console))
    else:
        output.err().print("no studies yet; start one with: tuner run SPEC")


def status(study: Study, *, as_json: Json = False) -> None:
    """Show the state, the counts and the best of a study."""
    from tuner.cli import output, status_view
    from tuner.cli.waiting import waiting
    from tuner.local import open_reader

    with open_reader(settings()) as api, waiting("reading the study", is_shown=not as_json):
        document = api.status(study)
        screen = None if as_json else status_view.read_screen(api, document)
    if screen is None:
        output.print_json(document)
    else:
        status_view.print_screen(output.out(), screen)


def best(
    study: Study,
    *,
    n: Annotated[int, typer.Option("-n", min=1, help="At most so many trials.")] = 10,
    all_states: Annotated[
        bool, typer.Option("--all", help="Also the pruned trials, then the failed ones.")
    ] = False,
    all_params: Annotated[
        bool, typer.Option("--all-params", help="Every parameter, also where they do not fit.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the best trials; of a study with several metrics, the Pareto front.

    The parameters that matter most stand first, and as many as fit.
    """
    from tuner.cli import leaderboard, output
    from tuner.cli.waiting import waiting
    from tuner.local import open_reader

    with open_reader(settings()) as api, waiting("reading the study", is_shown=not as_json):
        rows = api.best(study, n, all=all_states)
        if as_json:
            output.print_json(rows)
            return
        board = leaderboard.read_board(api, study, rows, all_params=all_params)
    if rows:
        leaderboard.print_board(output.out(), board)
    else:
        output.err().print(f"{study}: {board.missing}")


def show(study: Study, trial: Trial, *, as_json: Json = False) -> None:
    """Show one trial: parameters, result, attempts, reports and events."""
    from tuner.cli import output, trial_view
    from tuner.local import open_reader

    config = settings()
    with open_reader(config) as api:
        document = api.show(study, trial)
        metrics = [] if as_json else api.status(study)["metrics"]
    if as_json:
        output.print_json(document)
    else:
        trial_view.print_trial(output.out(), study, document, metrics, log_root=config.log_root)


def events(
    study: Study,
    *,
    limit: Annotated[int, typer.Option("-n", min=1, help="The last so many.")] = 1000,
    as_json: Json = False,
) -> None:
    """List what happened to a study, oldest first."""
    from tuner.cli import output, tables
    from tuner.cli.polling import all_events
    from tuner.local import open_reader

    with open_reader(settings()) as api:
        rows = all_events(api, study)[-limit:]
    if as_json:
        output.print_json(rows)
    else:
        tables.print_events(output.out(), rows)


def logs(
    study: Study,
    trial: Trial,
    *,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on until the trial ends.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print what a trial wrote to standard output and error."""
    from tuner.cli import output
    from tuner.cli.polling import follow_log, read_log
    from tuner.local import open_reader

    if follow and as_json:
        raise typer.BadParameter("-f never ends in one document; leave one of -f and --json out")
    with open_reader(settings()) as api:
        if as_json:
            text, offset = read_log(api, study, trial, 0)
            output.print_json({"text": text, "next_offset": offset, "size": offset})
        elif follow:
            for text in follow_log(api, study, trial):
                typer.echo(text, nl=False)
        else:
            typer.echo(read_log(api, study, trial, 0)[0], nl=False)
