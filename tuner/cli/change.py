"""The commands that change a study; without a running service they do it themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.arguments import Study, settings
from tuner.cli.feed import CLOSED
from tuner.cli.polling import ENDED


def pause(study: Study) -> None:
    """Start no further trial; those that run end by themselves."""
    from tuner.local import open_changer

    with open_changer(settings()) as api:
        api.pause(study)
    _say(f"{study}: paused; go on with: tuner resume {study}")


def resume(study: Study) -> None:
    """Go on with a paused study."""
    from tuner.local import open_changer

    with open_changer(settings()) as api:
        api.resume(study)
    _say(f"{study}: running")


def stop(
    study: Study,
    *,
    now: Annotated[bool, typer.Option("--now", help="End the running trials at once.")] = False,
) -> None:
    """Finish a study before its budget is used; running trials end by themselves."""
    from tuner.local import open_changer

    with open_changer(settings()) as api:
        before = api.status(study)["state"]
        api.stop(study, now=now)
    if before in CLOSED:
        _say(f"{study}: is {before} already")
    else:
        _say(f"{study}: stopping" + (", running trials are ended" if now else ""))


def cancel(
    study: Study,
    trial: Annotated[
        int | None, typer.Argument(metavar="[TRIAL]", min=0, help="only this trial")
    ] = None,
) -> None:
    """Cancel a study with everything that runs, or one trial of it."""
    from tuner.local import open_changer

    with open_changer(settings()) as api:
        before = api.status(study)["state"] if trial is None else api.show(study, trial)["state"]
        api.cancel(study, trial)
    what = study if trial is None else f"{study}: trial {trial}"
    if before in (*CLOSED, *ENDED):
        _say(f"{what}: is {before} already")
    else:
        _say(f"{what}: is cancelled")


def retry(
    study: Study,
    *,
    failed: Annotated[
        bool, typer.Option("--failed", help="Every trial that failed (the default).")
    ] = True,
    spec: Annotated[
        Path | None,
        typer.Option(
            metavar="SPEC", help="The study's spec, with mended code for all trials from now on."
        ),
    ] = None,
) -> None:
    """Run the failed trials of a study again, as new trials with the same parameters."""
    from tuner.cli.output import change_text
    from tuner.local import open_changer
    from tuner.local.submission import make_submission

    config = settings()
    submission = None if spec is None else make_submission(spec, config)
    if submission is not None and _is_sibling(study, submission.spec.name):
        submission = submission.renamed(study)
    with open_changer(config) as api:
        if submission is None:
            answer = api.retry(study, failed=failed)
        else:
            answer = submission.retry(api, study)
    for change in answer["changes"]:
        _say(f"{study}: {change_text(change)}")
    if submission is not None and not any(c["key"] == "code" for c in answer["changes"]):
        _say(f"{study}: the code is the same as before")
    numbers = ", ".join(map(str, answer["retried"]))
    _say(f"{study}: runs again: trial {numbers}" if numbers else f"{study}: no trial has failed")


def _is_sibling(study: str, name: str) -> bool:
    """Return whether `study` is called like `name` with a number: its spec is that of `name`."""
    return study.rpartition("-")[2].isdecimal() and study.rpartition("-")[0] == name


def delete(
    study: Study,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a study: its trials, logs and checkpoints. This cannot be undone."""
    from tuner.local import open_changer

    with open_changer(settings()) as api:
        counts = api.status(study)["counts"]
        if not yes:
            _confirm(f"Delete {study} with {sum(counts.values())} trials, logs and checkpoints?")
        api.delete(study)
    _say(f"{study}: deleted")


def _confirm(question: str) -> None:
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        typer.echo(err=True)
        agreed = False
    if not agreed:
        _say("nothing was deleted")
        raise typer.Exit(1)


def _say(text: str) -> None:
    from tuner.cli.output import err

    err().print(text, markup=False, soft_wrap=True)
