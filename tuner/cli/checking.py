"""What `tuner check` looks at, and how it says what it found."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from tuner.cli.check_advice import advise_gpus, advise_history, advise_timeout
from tuner.cli.checked_code import add_loaded, describe_code, print_code
from tuner.cli.output import Document, duration, err, number
from tuner.errors import SpecError, TunerError
from tuner.local.process import python_env
from tuner.local.submission import Submission, make_submission
from tuner.protocol import Assignment
from tuner.settings import Settings
from tuner.snapshot import unpack
from tuner.space import Parameter
from tuner.spec import StudySpec, known_parameters
from tuner.system import is_linux, system_name

#: A space that forbids nearly everything is given up on after so many tries.
_TRIES = 10_000
#: Above the trial's own limit: the imports before it, and the report after it.
_MARGIN_S = 60.0


def check_spec(path: Path, settings: Settings, *, timeout_s: float, as_json: bool) -> Document:
    """Return `{ok, study, warnings, problems, code, trial}`; nothing is created.

    Args:
        path: of the spec.
        settings: where the home is, which is left out of the snapshot.
        timeout_s: for the trial's first report.
        as_json: nothing is said meanwhile.
    """
    findings: Document = {
        "ok": False,
        "study": None,
        "warnings": [],
        "problems": [],
        "code": None,
        "trial": None,
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
        if not as_json:
            err().print("running one trial up to its first report …", style="quiet")
        findings["trial"] = {"params": params, **_try(submission, params, settings, timeout_s)}
        findings["warnings"] += findings["trial"].pop("hiding", [])
        add_loaded(findings["code"], findings["trial"].get("modules"))
    except TunerError as exc:
        findings["problems"] = str(exc).splitlines()
        return findings
    findings["warnings"] += advise_timeout(submission.spec, findings["trial"])
    if not findings["trial"]["ok"]:
        findings["problems"] = [findings["trial"]["error"]]
    findings["ok"] = not findings["problems"]
    return findings


def _why_not_tried(spec: StudySpec) -> str | None:
    """Return why no trial can be run here; None: one can."""
    if spec.is_external:
        return "the script that executes the study does so (objective: external)"
    if not is_linux():
        return f"a trial's process needs Linux, and this is {system_name()}"
    return None


def first_params(spec: StudySpec) -> dict[str, Any]:
    """Return a valid configuration, the first of `start_with` where there is one.

    Raises:
        SpecError: none was found that is not forbidden.
    """
    given = dict(spec.start_with[0]) if spec.start_with else {}
    source = random.Random(0)  # noqa: S311 - the same check tries the same configuration
    for _ in range(_TRIES):
        params = spec.space.walk(
            lambda parameter: given.get(parameter.name, _draw(parameter, source))
        )
        if not spec.space.is_forbidden(params):
            return params
    raise SpecError(f"forbid: none of {_TRIES} random configurations is allowed")


def print_findings(console: Console, findings: Document) -> None:
    """Print the findings, one a line, the problems last."""
    for warning in findings["warnings"]:
        console.print(f"[warn]warning[/]  {escape(warning)}", soft_wrap=True)
    if findings["study"]:
        console.print(f"[good]ok[/]       spec   {findings['study']}")
    if findings["code"]:
        print_code(console, findings["code"])
    trial = findings["trial"]
    if trial and trial["ok"]:
        console.print(f"[good]ok[/]       trial  {escape(_describe_trial(trial))}", soft_wrap=True)
    for problem in findings["problems"]:
        console.print(f"[bad]wrong[/]    {escape(problem)}", soft_wrap=True)


def _draw(parameter: Parameter, source: random.Random) -> Any:
    if parameter.values:
        return source.choice(parameter.values)
    if parameter.kind == "bool":
        return source.choice([False, True])
    return draw_number(parameter, source)


def draw_number(parameter: Parameter, source: random.Random) -> float | int:
    """Return a number of the parameter's range, on its grid where it has a step."""
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


def _describe_trial(trial: Document) -> str:
    took = duration(trial["seconds"])
    value = number(trial["value"])
    if trial["reported"]:
        return f"first report after {took}: step {trial['step']}, value {value}"
    return f"ended after {took} without a report: value {value} (a pruner sees nothing)"


def _try(
    submission: Submission, params: dict[str, Any], settings: Settings, timeout_s: float
) -> Document:
    with tempfile.TemporaryDirectory(prefix="tuner-check-") as scratch:
        code = None
        if submission.snapshot is not None:
            code = Path(scratch, "code")
            code.mkdir()
            unpack(submission.snapshot, code)
        request = {
            "assignment": _assignment(submission, params).to_json(),
            "code_root": str(code) if code else None,
            "timeout_s": timeout_s,
        }
        return _ask_worker(request, settings, Path(scratch), timeout_s)


def _assignment(submission: Submission, params: dict[str, Any]) -> Assignment:
    spec = submission.spec
    return Assignment(
        attempt="check",
        study=spec.name,
        trial=0,
        attempt_no=1,
        params=params,
        seed=spec.sampler.seed or 0,
        objective=spec.entry,
        loader=spec.data.loader,
        known=known_parameters(spec),
        metrics=[{"name": m.name, "goal": m.goal} for m in spec.metrics],
        run_dir="check",
        checkpoint_dir="check",
        devices=spec.trial.gpus,
        reproducibility=spec.trial.reproducibility,
        backend=spec.trial.backend,
        command=list(spec.command),
    )


def _ask_worker(request: Document, settings: Settings, scratch: Path, timeout_s: float) -> Document:
    """Have a worker process run the trial, and return what it says of it."""
    env = python_env(os.environ) | {
        "TUNER_HOME": str(settings.home),
        "TUNER_LOG_ROOT": str(scratch / "logs"),
        "TUNER_CHECKPOINT_ROOT": str(scratch / "checkpoints"),
    }
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "workers", "try"],
            input=json.dumps(request),
            env=env,
            capture_output=True,
            text=True,
            timeout=timeout_s + _MARGIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _failed(f"the trial made no report within {timeout_s:g} s, and could not be ended")
    try:
        answer: Document = json.loads(done.stdout)
    except ValueError:
        tail = "\n".join(done.stderr.strip().splitlines()[-15:])
        return _failed(f"the worker ended with status {done.returncode}:\n{tail}")
    return answer


def _failed(error: str) -> Document:
    return {
        "ok": False,
        "step": None,
        "value": None,
        "metrics": {},
        "error": error,
        "seconds": None,
        "reported": False,
    }
