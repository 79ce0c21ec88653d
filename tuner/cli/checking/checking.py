"""The checks of `tuner check`, and how their findings are shown."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from tuner.cli.checking.advice import advise_gpus, advise_history, advise_timeout
from tuner.cli.checking.code import add_loaded, describe_code, print_code
from tuner.cli.checking.trial import trial_assignment, trial_env, try_trial
from tuner.cli.preflight.looking import advise_found, look, offers_models
from tuner.cli.preflight.report import show, warn
from tuner.cli.render.output import duration, err, number
from tuner.documents.document import JsonObject
from tuner.errors import SpecError, TunerError
from tuner.local.submission import Submission, make_submission
from tuner.runtime.system import is_linux, system_name
from tuner.settings import Settings
from tuner.snapshot import unpack
from tuner.space import Parameter
from tuner.spec import StudySpec

#: Maximum number of tries to draw a configuration that is not forbidden.
_TRIES = 10_000


def check_spec(
    path: Path, settings: Settings, *, timeout_s: float, points: int, as_json: bool
) -> JsonObject:
    """Return `{ok, study, warnings, problems, code, trial, preflight}`; nothing is created.

    Args:
        settings: where the home is, which is excluded from the snapshot.
        timeout_s: for the trial's first report, and for each configuration that is built.
        points: number of random configurations to build, if models can be built; 0: none, nor
            corners.
        as_json: print nothing meanwhile.
    """
    findings: JsonObject = {
        "ok": False,
        "study": None,
        "warnings": [],
        "problems": [],
        "code": None,
        "trial": None,
        "preflight": None,
    }
    try:
        submission = make_submission(path, settings)
        findings |= {"study": submission.spec.name, "warnings": list(submission.warnings)}
        findings["code"] = describe_code(submission)
        findings["warnings"] += advise_history(submission.spec, settings)
        findings["warnings"] += advise_gpus(submission.spec)
        params = first_params(submission.spec)
        if (why := _why_not_tried(submission.spec)) is not None:
            findings["warnings"].append(f"no trial was run: {why}")
            findings["ok"] = True
            return findings
        _run(submission, params, findings, settings, timeout_s, points, as_json=as_json)
    except TunerError as exc:
        findings["problems"] = str(exc).splitlines()
        return findings
    findings["warnings"] += advise_timeout(submission.spec, findings["trial"])
    findings["warnings"] += advise_found(submission.spec, findings["trial"])
    if not findings["trial"]["ok"]:
        findings["problems"] = [findings["trial"]["error"]]
    if findings["preflight"] is not None:
        findings["warnings"] += warn(findings["preflight"])
    findings["ok"] = not findings["problems"]
    return findings


def _run(
    submission: Submission,
    params: dict[str, Any],
    findings: JsonObject,
    settings: Settings,
    timeout_s: float,
    points: int,
    *,
    as_json: bool,
) -> None:
    """Run the trial and, if it works and has models, the preflight."""
    spec = submission.spec
    with tempfile.TemporaryDirectory(prefix="tuner-check-") as scratch:
        code = None
        if submission.snapshot is not None:
            code = Path(scratch, "code")
            code.mkdir()
            unpack(submission.snapshot, code)
        if not as_json:
            err().print("running one trial up to its first report …", style="quiet")
        assignment, env = trial_assignment(spec, params), trial_env(settings, Path(scratch))
        tried = try_trial(assignment, code=code, env=env, timeout_s=timeout_s)
        findings["trial"] = {"params": params, **tried}
        findings["warnings"] += findings["trial"].pop("hiding", [])
        add_loaded(findings["code"], findings["trial"].get("modules"))
        if not tried["ok"] or points == 0 or not offers_models(spec, code):
            return
        findings["preflight"] = look(
            spec,
            assignment,
            tried,
            code=code,
            env=env,
            count=points,
            point_s=timeout_s,
            is_shown=not as_json,
        )


def _why_not_tried(spec: StudySpec) -> str | None:
    """Return why no trial can be run here; None: one can."""
    if spec.is_external:
        return "the script that executes the study does so (objective: external)"
    if not is_linux():
        return f"a trial's process needs Linux, and this is {system_name()}"
    return None


def first_params(spec: StudySpec) -> dict[str, Any]:
    """Return a valid configuration, the first of `start_with` if there is one.

    Raises:
        SpecError: none was found that is not forbidden.
    """
    given = dict(spec.start_with[0]) if spec.start_with else {}
    source = random.Random(0)  # noqa: S311 - the same check tries the same configuration  # nosec B311  # no secret
    for _ in range(_TRIES):
        params = spec.space.walk(
            lambda parameter: given.get(parameter.name, _draw(parameter, source))
        )
        if not spec.space.is_forbidden(params):
            return params
    raise SpecError(f"forbid: none of {_TRIES} random configurations is allowed")


def print_findings(console: Console, findings: JsonObject) -> None:
    """Print the findings, one per line, the problems last."""
    for warning in findings["warnings"]:
        console.print(f"[warn]warning[/]  {escape(warning)}", soft_wrap=True)
    if findings["study"]:
        console.print(f"[good]ok[/]       spec   {findings['study']}")
    if findings["code"]:
        print_code(console, findings["code"])
    trial = findings["trial"]
    if trial and trial["ok"]:
        console.print(f"[good]ok[/]       trial  {escape(_describe_trial(trial))}", soft_wrap=True)
    if findings["preflight"] is not None:
        show(console, findings["preflight"])
    for problem in findings["problems"]:
        console.print(f"[bad]wrong[/]    {escape(problem)}", soft_wrap=True)


def _draw(parameter: Parameter, source: random.Random) -> Any:
    if parameter.values:
        return source.choice(parameter.values)
    if parameter.kind == "bool":
        return source.choice([False, True])
    return draw_number(parameter, source)


def draw_number(parameter: Parameter, source: random.Random) -> float | int:
    """Return a random number in the parameter's range, on its grid if it has a step."""
    low, high = parameter.low, parameter.high
    if low is None or high is None:
        raise SpecError(f"{parameter.name}: a {parameter.kind} without a range")
    if parameter.step:
        count = int((high - low) / parameter.step + 1e-9)
        value = low + source.randint(0, count) * parameter.step
        return int(value) if parameter.kind == "int" else value
    if parameter.kind == "int":
        return source.randint(int(low), int(high))
    if parameter.log:
        drawn = float(min(high, low * (high / low) ** source.random()))
        return low + high - drawn if parameter.log == "reverse" else drawn
    return source.uniform(low, high)


def _describe_trial(trial: JsonObject) -> str:
    took = duration(trial["seconds"])
    value = number(trial["value"])
    if trial["reported"]:
        return f"first report after {took}: step {trial['step']}, value {value}"
    return f"ended after {took} without a report: value {value} (a pruner sees nothing)"
