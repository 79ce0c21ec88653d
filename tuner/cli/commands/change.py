"""The commands that change a study; without a running service they do it themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.arguments import AnyStudy, Study, settings
from tuner.cli.calling import command
from tuner.cli.following.choice import take_study
from tuner.cli.following.next_step import reason_here
from tuner.cli.printing import say
from tuner.cli.reading.feed import CLOSED
from tuner.cli.reading.polling import ENDED
from tuner.local import open_changer
from tuner.local.commands import forget_command
from tuner.local.runs import live_runs
from tuner.visible import visible

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.study import StudyStatus
    from tuner.service.service import Service
    from tuner.settings import Settings


def pause(study: AnyStudy = None) -> None:
    """Start no new trials; let the running ones finish."""
    with open_changer(settings()) as api:
        study = take_study(api, study)
        api.pause(study)
    say(f"{study}: paused; resume with: {command('resume', study)}")


def resume(study: AnyStudy = None) -> None:
    """Resume a paused study."""
    with open_changer(settings()) as api:
        study = take_study(api, study)
        api.resume(study)
        say(f"{study}: running{_next_step(api, study)}")


def stop(
    study: AnyStudy = None,
    *,
    now: Annotated[bool, typer.Option("--now", help="End the running trials at once.")] = False,
) -> None:
    """End a study before its budget is used; let the running trials finish."""
    with open_changer(settings()) as api:
        study = take_study(api, study)
        before = api.status(study)["state"]
        api.stop(study, now=now)
    if before in CLOSED:
        say(f"{study}: is {before} already")
    else:
        say(f"{study}: stopping" + (", running trials are ended" if now else ""))


def cancel(
    study: Study,
    trial: Annotated[
        int | None, typer.Argument(metavar="TRIAL", min=0, help="only this trial")
    ] = None,
) -> None:
    """Cancel a study with its running trials, or one trial."""
    with open_changer(settings()) as api:
        before = api.status(study)["state"] if trial is None else api.show(study, trial)["state"]
        api.cancel(study, trial)
    what = study if trial is None else f"{study}: trial {trial}"
    if before in (*CLOSED, *ENDED):
        say(f"{what}: is already {before}")
    else:
        say(f"{what}: is cancelled")


def retry(
    study: AnyStudy = None,
    *,
    # It is the default behaviour; scripts use it, so it is accepted, but not shown in the help.
    _failed: Annotated[bool, typer.Option("--failed", hidden=True)] = False,
    spec: Annotated[
        Path | None,
        typer.Option(
            metavar="SPEC",
            help="The study's spec: use its corrected code for all trials from now on.",
        ),
    ] = None,
) -> None:
    """Run the failed trials of a study again, as new trials with the same parameters."""
    from tuner.cli.following.going_on import retry_with
    from tuner.cli.render.output import change_text
    from tuner.local.submission import make_submission

    config = settings()
    submission = None if spec is None else make_submission(spec, config)
    if submission is not None and study is not None and _is_sibling(study, submission.spec.name):
        submission = submission.renamed(study)
    with open_changer(config) as api:
        study = take_study(api, study if submission is None else study or submission.spec.name)
        if submission is None:
            answer = api.retry(study)
        else:
            answer = retry_with(submission, api, study, spec)
        step = _next_step(api, study)
    for change in answer["changes"]:
        say(f"{study}: {change_text(change)}")
    if submission is not None and not any(c["key"] == "code" for c in answer["changes"]):
        say(f"{study}: the code is the same as before")
    numbers = ", ".join(map(str, answer["retried"]))
    again = f"{study}: runs again: trial {numbers}{step}"
    say(again if numbers else f"{study}: no trial has failed")


def _is_sibling(study: str, name: str) -> bool:
    """Return whether `study` is called like `name` with a number: its spec is that of `name`."""
    return study.rpartition("-")[2].isdecimal() and study.rpartition("-")[0] == name


def delete(
    study: Study,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete a study: its trials, logs and checkpoints. This cannot be undone."""
    from tuner.cli.render.tables import all_trials

    config = settings()
    with open_changer(config) as api:
        status = api.status(study)
        running = _running_text(config, study, status)
        if not yes:
            trials = all_trials(status["counts"])
            head = f"{study} is running now: {running}.\n" if running else ""
            _confirm(f"{head}Delete {study} with {trials} trials, logs and checkpoints?")
        done = api.delete(study)
    forget_command(config, study)
    say(f"{study}: deleted" + (f" while it ran: {running}" if running else ""))
    for kept in done.get("kept", ()):
        say(f"{kept['path']} is still there: {kept['reason']}")


def _running_text(config: Settings, study: str, status: StudyStatus) -> str:
    """Return what is at work for a study that is about to be deleted, nothing for one at rest."""
    count = status["counts"]["running"]
    trials = [f"{count} trial{'' if count == 1 else 's'} at work"] if count else []
    runs = [pid for pid, name in live_runs(config).items() if name == study]
    commands = [f"`tuner run` (pid {pid}) trains it" for pid in runs]
    return " and ".join([*trials, *commands])


def _next_step(api: Service | ApiClient, study: str) -> str:
    """Return what to do so that a running study gets on, nothing where workers are there."""
    status = api.status(study)
    if status["state"] != "running" or status["workers"] or api.workers():
        return ""
    return f"; {reason_here(settings(), status)}" if status["reason"] else ""


def _confirm(question: str) -> None:
    try:
        agreed = typer.confirm(visible(question), err=True)
    except typer.Abort:
        typer.echo(err=True)
        agreed = False
    if not agreed:
        say("nothing was deleted")
        raise typer.Exit(1)
