"""`tuner run`: everything on this machine, for one study."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.arguments import As, Spec, UseCode, settings
from tuner.cli.following.next_step import run_command
from tuner.errors import SpecError
from tuner.protocol import Isolation
from tuner.runtime.system import require_linux

if TYPE_CHECKING:
    from tuner.spec import StudySpec


def run(
    spec: Spec,
    *,
    workers: Annotated[
        int | None,
        typer.Option("-n", "--workers", min=1, help="Default: one per GPU, or per two cores."),
    ] = None,
    isolation: Annotated[
        Isolation, typer.Option(help="How each trial gets its own process.")
    ] = "fork",
    use_code: UseCode = None,
    name: As = None,
) -> None:
    """Run a study on this machine, with live progress.

    It starts what it needs (service, Redis, workers), stops all of it at the end, and prints the
    best trials. Ctrl-C lets the trials save their checkpoints; run the same command again to
    resume.
    """
    from tuner.cli.following.run_session import RunSession
    from tuner.cli.render.output import err
    from tuner.cli.render.waiting import waiting
    from tuner.local.fleets.devices import default_workers
    from tuner.local.submission import make_submission

    require_linux("tuner run")
    config = settings()
    with waiting("reading the spec and packing its code"):
        submission = make_submission(spec, config, name=name, use_code=use_code)
    if submission.spec.is_external:
        raise SpecError(
            f"{spec}: objective: external: no worker executes the trials of this study; start the "
            f"script that does, as docs/keras-tuner.md has one (tuner submit makes the study alone)"
        )
    for warning in submission.warnings:
        err().print(f"[warn]warning:[/] {warning}", soft_wrap=True)
    options = [] if workers is None else ["--workers", str(workers)]
    options += [] if isolation == "fork" else ["--isolation", isolation]
    count = workers if workers is not None else default_workers(submission.spec)
    session = RunSession(
        config,
        os.environ,
        submission,
        workers=count,
        isolation=isolation,
        path=spec,
        options=options,
        remark=_fewer(spec, options, count, submission.spec) if workers is None else "",
    )
    raise typer.Exit(session.run())


def _fewer(spec: Path, options: list[str], count: int, study: StudySpec) -> str:
    """Return why fewer trials run at once than the spec allows, nothing if as many do."""
    from rich.markup import escape

    wanted = study.parallel or 1
    if count >= wanted:
        return ""
    gpus = study.trial.gpus
    per = ("GPU" if gpus == 1 else f"{gpus} GPUs") if gpus else "two cores"
    also = run_command(spec, [*options, "--workers", str(wanted)])
    start = "worker starts" if count == 1 else "workers start"
    return (
        f"[label]parallel[/]     is {wanted}, but {count} {start}, one per {per}; "
        f"for {wanted} at once: {escape(also)}"
    )
