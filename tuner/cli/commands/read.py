"""The commands that look: they start nothing and change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.arguments import AnyStudy, AnyTrial, Json, StudyOrTrial, settings
from tuner.cli.following.choice import read_choice, take_study, take_trial
from tuner.cli.following.next_step import elsewhere, reason_here
from tuner.cli.printing import print_json, print_text, say
from tuner.cli.reading.board_link import way_to_board
from tuner.cli.reading.polling import all_events, follow_log, read_log
from tuner.errors import NotFoundError
from tuner.local import open_reader

if TYPE_CHECKING:
    from tuner.documents.study import StudyStatus
    from tuner.documents.trial import LogPiece
    from tuner.settings import Settings


def list_studies(*, as_json: Json = False) -> None:
    """List the studies, newest first."""
    from tuner.cli.render import output, tables
    from tuner.cli.render.waiting import waiting

    config = settings()
    try:
        with open_reader(config) as api, waiting("reading the studies", is_shown=not as_json):
            rows = sorted(api.list(), key=lambda row: row["created"] or "", reverse=True)
    except NotFoundError:
        rows = []
    if as_json:
        print_json(rows)
    elif rows:
        console = output.out()
        console.print(tables.study_table(rows, console))
    else:
        say(f"no studies yet in {_where(config)}; start one with: tuner run SPEC")
    other = "" if as_json else elsewhere(config)
    if other:
        say(other, style="quiet")


def _where(config: Settings) -> str:
    """Return where a command looks for studies, in words."""
    from tuner.cli.render.study.headings import database

    if config.api_url:
        return config.api_url
    return str(config.home) if not config.names_database else database(config)


def status(study: AnyStudy = None, *, as_json: Json = False) -> None:
    """Show the state, the counts and the best of a study."""
    from tuner.cli.render import output
    from tuner.cli.render.study.screen import print_screen, read_screen
    from tuner.cli.render.waiting import waiting

    config = settings()
    with open_reader(config) as api:
        name = take_study(api, study)
        with waiting("reading the study", is_shown=not as_json):
            document = api.status(name)
            shown: StudyStatus = {**document, "reason": reason_here(config, document)}
            screen = None if as_json else read_screen(api, shown)
    if screen is None:
        print_json(document)
    else:
        print_screen(output.out(), screen)


def best(
    study: AnyStudy = None,
    *,
    n: Annotated[int, typer.Option("-n", min=1, help="Show at most N trials.")] = 10,
    all_states: Annotated[
        bool, typer.Option("--all", help="Show also the pruned trials, then the failed ones.")
    ] = False,
    all_params: Annotated[
        bool, typer.Option("--all-params", help="Show every parameter, even if they do not fit.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the best trials; of a study with several metrics, the Pareto front.

    The parameters that matter most stand first, and as many as fit.
    """
    from tuner.cli.render import output
    from tuner.cli.render.study import leaderboard
    from tuner.cli.render.waiting import waiting

    config = settings()
    with open_reader(config) as api:
        name = take_study(api, study)
        with waiting("reading the study", is_shown=not as_json):
            rows = api.best(name, n, all=all_states)
            if as_json:
                print_json(rows)
                return
            board = leaderboard.read_board(api, name, rows, all_params=all_params)
    if rows:
        leaderboard.print_board(output.out(), board)
        way = way_to_board(config, name)
        print_text(f"TensorBoard: {way}", style="quiet")
    else:
        say(f"{name}: {board.missing}")


def show(study: StudyOrTrial = None, trial: AnyTrial = None, *, as_json: Json = False) -> None:
    """Show one trial: parameters, result, attempts, reports and events."""
    from tuner.cli.render import output
    from tuner.cli.render.trial.page import print_trial

    chosen = read_choice([study, trial])
    config = settings()
    with open_reader(config) as api:
        name = take_study(api, chosen.study)
        document = api.show(name, take_trial(api, name, chosen.trial))
        metrics = [] if as_json else api.status(name)["metrics"]
    if as_json:
        print_json(document)
    else:
        print_trial(output.out(), name, document, metrics, log_root=config.log_root)


def events(
    study: AnyStudy = None,
    *,
    limit: Annotated[int, typer.Option("-n", min=1, help="Show the last N events.")] = 1000,
    as_json: Json = False,
) -> None:
    """List what happened to a study, oldest first."""
    from tuner.cli.render import output, tables

    with open_reader(settings()) as api:
        rows = all_events(api, take_study(api, study))[-limit:]
    if as_json:
        print_json(rows)
    else:
        tables.print_events(output.out(), rows)


def logs(
    study: StudyOrTrial = None,
    trial: AnyTrial = None,
    *,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Keep printing until the trial ends.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print every byte unchanged, even on a terminal.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print what a trial wrote to standard output and error.

    A terminal gets its colours, and what else would steer it is written out; a file or a pipe gets
    every byte as it is.
    """
    from tuner.cli.render import output

    if follow and as_json:
        raise typer.BadParameter("-f never ends in one document; leave one of -f and --json out")
    chosen = read_choice([study, trial])
    with open_reader(settings()) as api:
        name = take_study(api, chosen.study)
        number = take_trial(api, name, chosen.trial)
        if as_json:
            whole = read_log(api, name, number, 0)
            piece: LogPiece = {
                "text": whole.data.decode(errors="replace"),
                "base64": None,
                "next_offset": whole.end,
                "size": whole.end,
                "gone": whole.gone,
            }
            print_json(piece)
            return
        pieces = follow_log(api, name, number) if follow else [read_log(api, name, number, 0)]
        with output.LogPrinter(raw=raw) as log:
            for read in pieces:
                if read.gone:
                    said = _gone(name, number, read.gone)
                    output.err().print(said, style="quiet", soft_wrap=True)
                log.print(read.data)


def _gone(study: str, trial: int, gone: int) -> str:
    return (
        f"{study} {trial}: {gone / 1e6:.1f} MB of what it printed before this are gone: "
        f"of a long output the end is kept"
    )
