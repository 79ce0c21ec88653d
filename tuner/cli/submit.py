"""`tuner submit` and `tuner watch`: a study that the service runs by itself."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.arguments import AnyStudy, As, Json, Spec, UseCode, settings
from tuner.cli.calling import command
from tuner.cli.choice import take_study
from tuner.errors import NotFoundError, SpecError, UnavailableError

if TYPE_CHECKING:
    from tuner.client import ApiClient, Document
    from tuner.local.submission import Submission
    from tuner.service.reading import Reader

_LOOK_S = 0.5


def submit(
    spec: Spec,
    *,
    watching: Annotated[
        bool, typer.Option("--watch", help="Stay until the study is over.")
    ] = False,
    fail_under: Annotated[
        float | None,
        typer.Option(help="With --watch: exit 1 unless the best objective is at least as good."),
    ] = None,
    use_code: UseCode = None,
    name: As = None,
    as_json: Json = False,
) -> None:
    """Submit a study to the service, which is started when needed and stays."""
    from tuner.cli import output
    from tuner.cli.going_on import send
    from tuner.cli.waiting import waiting
    from tuner.local import start_api
    from tuner.local.submission import make_submission

    if fail_under is not None and not watching:
        raise typer.BadParameter("--fail-under needs --watch: only then the best is known")
    config = settings()
    with waiting("reading the spec and packing its code", is_shown=not as_json):
        submission = make_submission(spec, config, name=name, use_code=use_code)
    if fail_under is not None and len(submission.spec.metrics) > 1:
        raise SpecError("--fail-under: the study has several metrics and so no single best")
    for warning in submission.warnings:
        output.err().print(f"[warn]warning:[/] {warning}", soft_wrap=True)
    with waiting("starting the service", is_shown=not as_json):
        service = start_api(config, os.environ)
    with service as api:
        submission, answer = send(submission, api, "tuner submit", spec)
        if not as_json:
            _say(submission, answer)
        if not watching:
            if as_json:
                output.print_json(answer)
            return
        status = _watch(api, submission.spec.name, as_json=as_json)
    _exit_by(status, fail_under)


def watch(study: AnyStudy = None, *, as_json: Json = False) -> None:
    """Show the progress of a study until it is over."""
    from tuner.local import open_reader

    with open_reader(settings()) as api:
        status = _watch(api, take_study(api, study), as_json=as_json)
    _exit_by(status, None)


def _watch(api: Reader | ApiClient, study: str, *, as_json: bool) -> Document:
    """Follow the study; with JSON, print its last status and nothing else."""
    from rich.markup import escape

    from tuner.cli import headings, output
    from tuner.cli.feed import Feed, is_over
    from tuner.cli.progress import StudyProgress

    if as_json:
        while not is_over(status := api.status(study)):
            time.sleep(_LOOK_S)
        output.print_json(status)
        return status
    console = output.out()
    feed = Feed(api, study)
    with StudyProgress(console, api.status(study)) as progress:
        while True:
            try:
                news = feed.look()
            except UnavailableError as exc:
                again = command("watch", study)
                raise UnavailableError(f"{exc}; watch again with: {again}") from exc
            except NotFoundError as exc:
                raise UnavailableError(f"{study} was deleted while it was watched") from exc
            progress.show(news)
            if is_over(news.status):
                break
            time.sleep(_LOOK_S)
    headings.print_best(console, api, news.status)
    reason = f" [quiet]({escape(news.status['reason'])})[/]" if news.status["reason"] else ""
    console.print(f"{study}: {output.styled(news.status['state'])}{reason}")
    return news.status


def _say(submission: Submission, answer: Document) -> None:
    from tuner.cli.going_on import file_notes
    from tuner.cli.output import change_text, err

    verb = ": submitted" if answer["created"] else f" already exists ({answer['state']})"
    err().print(f"{answer['study']}{verb}")
    for change in answer["changes"]:
        err().print(f"  {change_text(change)}", markup=False)
    for label, text in file_notes(submission, answer):
        err().print(f"  {label}: {text}", markup=False, soft_wrap=True)
    err().print(f"follow it with: {command('watch', answer['study'])}", style="quiet")


def _exit_by(status: Document, fail_under: float | None) -> None:
    from tuner.cli.output import err

    if status["state"] != "finished":
        raise typer.Exit(1)
    if fail_under is None:
        return
    best = (status["best"] or {}).get("objective")
    higher = status["metrics"][0]["goal"] == "maximize"
    if best is None or (best < fail_under if higher else best > fail_under):
        err().print(f"[bad]the best objective, {best}, is not as good as {fail_under}[/]")
        raise typer.Exit(1)
