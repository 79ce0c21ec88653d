"""The command that says what a study knew from history, and why a trial was proposed."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.arguments import Json, Study, settings


def explain(
    study: Study,
    trial: Annotated[
        int | None,
        typer.Argument(metavar="[TRIAL]", help="number of a trial: why it was proposed", min=0),
    ] = None,
    *,
    n: Annotated[
        int,
        typer.Option("-n", min=1, help="Show at most N proposals: the first and last N/2."),
    ] = 20,
    as_json: Json = False,
) -> None:
    """Show what a study learnt from history and what that gained, or why a trial was proposed."""
    from tuner.cli import explanation, output, trial_explanation
    from tuner.cli.waiting import waiting
    from tuner.local import open_reader

    config = settings()
    doing = "estimating what history gained" if trial is None else "looking for its reasons"
    with open_reader(config) as api, waiting(doing, is_shown=not as_json):
        document = api.explain(study, n) if trial is None else api.explain_trial(study, trial)
        metrics = [] if as_json else api.status(study)["metrics"]
    if as_json:
        output.print_json(document)
    elif trial is None:
        explanation.print_explanation(output.out(), document, metrics)
    else:
        trial_explanation.print_reason(output.out(), document, metrics, config.log_root)
