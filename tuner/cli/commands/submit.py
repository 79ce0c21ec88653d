"""`tuner submit` and `tuner watch`: a study that the service runs by itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.arguments import AnyStudy, As, Json, Spec, UseCode, settings
from tuner.cli.calling import command
from tuner.cli.exit_codes import DONE, FAILED, NO_ANSWER
from tuner.cli.following.choice import take_study
from tuner.cli.printing import print_json, say
from tuner.errors import UnavailableError
from tuner.local import open_reader, start_api

if TYPE_CHECKING:
    from tuner.cli.following.gate import QualityGate
    from tuner.cli.following.watching import StudyEnd
    from tuner.client import ApiClient
    from tuner.documents.submission import Submitted
    from tuner.local.submission import Submission


def submit(
    spec: Spec,
    *,
    watching: Annotated[
        bool, typer.Option("--watch", help="Wait until the study has ended.")
    ] = False,
    fail_under: Annotated[
        float | None,
        typer.Option(metavar="X", help="With --watch, to maximize: exit 1 if the best is under X."),
    ] = None,
    fail_over: Annotated[
        float | None,
        typer.Option(metavar="X", help="With --watch, to minimize: exit 1 if the best is over X."),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="With --watch: exit 4 after this time, such as 30m or 2h."
        ),
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="With --watch: append a summary of the result, as Markdown."
        ),
    ] = None,
    use_code: UseCode = None,
    name: As = None,
    as_json: Json = False,
) -> None:
    """Submit a study to the service. If none runs, start one; it keeps running.

    With --watch, the exit code says how the study ended: 0 well, 1 not. With --fail-under or
    --fail-over, 1 means that the best value is not good enough, 3 that the study failed and there
    is nothing to judge, 5 that the service did not answer. With --timeout, 4 means a timeout.
    """
    from tuner.cli.following.gate import QualityGate
    from tuner.cli.following.summary import require_writable
    from tuner.cli.render import output
    from tuner.cli.render.waiting import waiting
    from tuner.local.submission import make_submission

    timeout_s = _seconds(timeout)
    if not watching:
        _refuse(fail_under=fail_under, fail_over=fail_over, timeout=timeout, summary=summary)
    if summary is not None:
        require_writable(summary)
    config = settings()
    with waiting("reading the spec and packing its code", is_shown=not as_json):
        submission = make_submission(spec, config, name=name, use_code=use_code)
    metrics = [(metric.name, str(metric.goal)) for metric in submission.spec.metrics]
    gate = QualityGate.chosen(fail_under, fail_over, metrics)
    remarks = [gate.remark] if gate is not None and gate.remark else []
    for warning in [*submission.warnings, *remarks]:
        output.err().print(f"[warn]warning:[/] {warning}", soft_wrap=True)
    task = _Task(
        spec=spec,
        submission=submission,
        gate=gate,
        timeout_s=timeout_s,
        summary=summary,
        is_watched=watching,
        as_json=as_json,
    )
    try:
        code = task.run()
    except UnavailableError as exc:
        if gate is None and timeout_s is None:
            raise
        say(f"tuner: {exc}")
        code = NO_ANSWER
    if code != DONE:
        raise typer.Exit(code)


def watch(study: AnyStudy = None, *, as_json: Json = False) -> None:
    """Show the progress of a study until it is over."""
    from tuner.cli.following.watching import follow

    with open_reader(settings()) as api:
        ending = follow(api, take_study(api, study), is_silent=as_json)
    if as_json:
        print_json(ending.status)
    if ending.status["state"] != "finished":
        raise typer.Exit(FAILED)


@dataclass(frozen=True, kw_only=True)
class _Task:
    """One submission, from the service's start to the exit code.

    Attributes:
        spec: the file, for the commands that are said.
        submission: what is sent.
        gate: what the study has to reach, None for nothing.
        timeout_s: how long it is watched, None for no end.
        summary: a file that its end is appended to.
        is_watched: until it is over.
        as_json: one document and no other text on standard output.
    """

    spec: Path
    submission: Submission
    gate: QualityGate | None
    timeout_s: float | None
    summary: Path | None
    is_watched: bool
    as_json: bool

    def run(self) -> int:
        """Submit, watch if that was asked for, print; return the exit code."""
        from tuner.cli.following.going_on import send
        from tuner.cli.render.waiting import waiting

        config = settings()
        with waiting("starting the service", is_shown=not self.as_json):
            service = start_api(config, os.environ)
        with service as api:
            submission, answer = send(self.submission, api, "tuner submit", self.spec)
            if not self.as_json:
                _say(submission, answer)
            if not self.is_watched:
                if self.as_json:
                    print_json(answer)
                return DONE
            patient = config.api_url is not None
            ending = self._follow(api, submission.spec.name, patient=patient)
            return self._end(api, ending)

    def _follow(self, api: ApiClient, study: str, *, patient: bool) -> StudyEnd:
        from tuner.cli.following.watching import PATIENCE_S, WatchLimits, follow

        # If a local service does not answer, it was ended, and nobody will start it again.
        patience_s = PATIENCE_S if patient else 0.0
        limits = WatchLimits(timeout_s=self.timeout_s, patience_s=patience_s)
        return follow(api, study, is_silent=self.as_json, limits=limits)

    def _end(self, api: ApiClient, ending: StudyEnd) -> int:
        """Say how it ended, and return the exit code."""
        from tuner.cli.following.gate import judge
        from tuner.cli.following.summary import append
        from tuner.cli.render import output

        status = ending.status
        timed_out_s = self.timeout_s if ending.is_timeout else None
        verdict = judge(status, self.gate, timed_out_s=timed_out_s)
        if self.as_json:
            wanted = None if self.gate is None else self.gate.to_json()
            said = {"outcome": verdict.outcome, "exit_code": verdict.code, "text": verdict.text}
            print_json({**status, "verdict": {**said, "wanted": wanted}})
        elif verdict.text:
            console = output.out() if verdict.code == DONE else output.err()
            style = "good" if verdict.code == DONE else "bad"
            console.print(verdict.text, style=style, markup=False, soft_wrap=True)
        if self.summary is not None:
            trouble = append(self.summary, api, status, verdict)
            if trouble:
                say(trouble, style="warn")
        return verdict.code


def _say(submission: Submission, answer: Submitted) -> None:
    from tuner.cli.following.going_on import file_notes
    from tuner.cli.render.output import change_text

    verb = ": submitted" if answer["created"] else f" already exists ({answer['state']})"
    say(f"{answer['study']}{verb}")
    for change in answer["changes"]:
        say(f"  {change_text(change)}")
    for label, text in file_notes(submission, answer):
        say(f"  {label}: {text}")
    say(f"follow it with: {command('watch', answer['study'])}", style="quiet")


def _refuse(**options: object) -> None:
    """Refuse options that only a watched study can honour."""
    for name, value in options.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter(f"{option} needs --watch: only then the study's end is seen")


def _seconds(text: str | None) -> float | None:
    """Return what was typed as a duration, in seconds."""
    from tuner.spec.duration import DURATION, parse_duration

    if text is None:
        return None
    try:
        # A number without a unit is in seconds, as in a spec.
        seconds = parse_duration(float(text) if text.replace(".", "", 1).isdecimal() else text)
    except (ValueError, OverflowError) as exc:
        raise typer.BadParameter(
            f"{text[:40]!r} is not {DURATION}", param_hint="--timeout"
        ) from exc
    return seconds if isinstance(seconds, float) else None
