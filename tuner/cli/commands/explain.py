"""The command that says what a study knew from history, and why a trial was proposed."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.arguments import Json, StudyOrTrial, settings
from tuner.cli.following.choice import read_choice, take_study, take_trial
from tuner.cli.printing import print_json
from tuner.local import open_reader


def explain(
    study: StudyOrTrial = None,
    trial: Annotated[
        str | None,
        typer.Argument(metavar="TRIAL", help="number of a trial, or best: why it was proposed"),
    ] = None,
    *,
    n: Annotated[
        int,
        typer.Option("-n", min=1, help="Show at most N proposals: the first and last N/2."),
    ] = 20,
    as_json: Json = False,
) -> None:
    """Show what a study learnt from history and what that gained, or why a trial was proposed."""
    from tuner.cli.render import output
    from tuner.cli.render.study import explanation
    from tuner.cli.render.trial.explanation import print_reason
    from tuner.cli.render.waiting import waiting

    chosen = read_choice([study, trial])
    config = settings()
    is_whole = chosen.trial is None
    doing = "estimating what history gained" if is_whole else "looking for its reasons"
    with open_reader(config) as api:
        name = take_study(api, chosen.study)
        number = None if is_whole else take_trial(api, name, chosen.trial)
        with waiting(doing, is_shown=not as_json):
            whole = api.explain(name, n) if number is None else None
            one = None if number is None else api.explain_trial(name, number)
            metrics = [] if as_json else api.status(name)["metrics"]
    if as_json:
        print_json(whole or one)
    elif whole is not None:
        explanation.print_explanation(output.out(), whole, metrics)
    elif one is not None:
        print_reason(output.out(), one, metrics, config.log_root)
