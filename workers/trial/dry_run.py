"""`python -m workers try`: one trial without the service, ended at its first report."""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from pathlib import Path
from typing import Any, TextIO

from tuner.errors import SpecError
from tuner.protocol import Assignment, ProtocolError
from tuner.roots import Place
from workers.backends.selection import BackendSelection
from workers.failures.causes import describe_exit, last_lines
from workers.host.devices import list_gpus
from workers.host.orphans import adopt_orphans, end_orphans
from workers.objective.own_modules import hiding_modules
from workers.objective.task import Task
from workers.records.files import OUTPUT
from workers.trial.trial_process import TrialProcess, start_process, wait_for_end

#: Seconds that a trial gets when it is told to stop after its first report.
GRACE_S = 2.0
_OUTPUT_CHARS = 2000


def run_try(source: TextIO, target: TextIO) -> int:
    """Read `{"assignment", "code_root", "timeout_s"}`, write `{"ok", …}`; return 0, 1 if not ok.

    Raises:
        SpecError: the input is not such a document.
    """
    adopt_orphans()
    try:
        request = json.load(source)
        assignment = Assignment.from_json(request["assignment"])
    except (ValueError, KeyError, TypeError, ProtocolError) as exc:
        raise SpecError(f"try: the input is not a request: {exc!r}") from exc
    code_root = request.get("code_root")
    report = try_trial(
        assignment,
        code_root=None if code_root is None else Path(code_root),
        timeout_s=float(request.get("timeout_s", 120.0)),
    )
    json.dump(report, target)
    target.write("\n")
    return 0 if report["ok"] else 1


def try_trial(
    assignment: Assignment, *, code_root: Path | None, timeout_s: float
) -> dict[str, Any]:
    """Run the objective in a separate process until its first report or its end.

    Returns:
        ok; step, value and metrics of the report, or of the result if nothing was reported; error;
        seconds; reported; modules (imported files of the code, None if the trial did not say);
        found (parameters of a hypermodel, as in `Found`); hiding (what its modules hide, in
        sentences); output (its end, if it failed).
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tuner-try-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        task = Task.of(
            assignment,
            code_root=code_root,
            log_root=root / "logs",
            checkpoint_root=root / "checkpoints",
            preimport=False,
            devices=list_gpus()[: assignment.devices] if assignment.devices else [],
            backend=BackendSelection(os.environ).choose(assignment, code_root),
        )
        task.run.open(make=True).close()
        process = start_process(task, None)
        found: list[dict[str, Any]] = []
        try:
            message = _first_message(process, started + timeout_s, found)
        finally:
            process.close()
            end_orphans(())
        report = _describe(message, process, timeout_s) | {"found": found}
        report["hiding"] = [] if code_root is None else hiding_modules(code_root)
        report["seconds"] = round(time.monotonic() - started, 3)
        if not report["ok"]:
            report["output"] = _tail(task.run)
    return report


def _first_message(
    process: TrialProcess, deadline: float, found: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """Return the first report or the end; what the trial finds before goes into `found`."""
    while True:
        has_ended = process.has_ended()
        for message in process.messages():
            if message.get("kind") == "found":
                found += message["found"]
            if message.get("kind") in ("point", "end"):
                process.tell("cancel", message.get("step", 0))
                wait_for_end(process, time.monotonic() + GRACE_S)
                return {**message, "modules": _modules([message, *process.messages()])}
        if has_ended or time.monotonic() >= deadline:
            return None
        process.wait(min(1.0, deadline - time.monotonic()))


def _modules(messages: list[dict[str, Any]]) -> list[str] | None:
    """Return the files that the trial has imported, from the last message of its process."""
    return next((m["modules"] for m in reversed(messages) if m.get("kind") == "end"), None)


def _describe(
    message: dict[str, Any] | None, process: TrialProcess, timeout_s: float
) -> dict[str, Any]:
    report: dict[str, Any] = {
        "ok": False,
        "step": None,
        "value": None,
        "metrics": {},
        "error": "",
        "reported": False,
        "modules": None if message is None else message["modules"],
    }
    if message is None:
        report["error"] = (
            f"no report and no end after {timeout_s:g} s"
            if process.was_killed or process.status is None
            else describe_exit(process.status)
        )
    elif message["kind"] == "point":
        value = message["value"]
        report.update(ok=math.isfinite(value), reported=True, step=message["step"])
        report.update(value=_number(value), metrics=_numbers(message["metrics"]))
        if not report["ok"]:
            report["error"] = f"the first report is {value}"
    elif message["outcome"] == "complete":
        values = message["values"]
        report.update(ok=True, value=_number(values[0]), metrics=_numbers(message["metrics"]))
    else:
        report["error"] = last_lines(message.get("error") or message["outcome"])
    return report


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _numbers(metrics: dict[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in metrics.items()}


def _tail(place: Place) -> str:
    try:
        with place.open() as folder, folder.open_file(OUTPUT) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _OUTPUT_CHARS))
            return file.read(_OUTPUT_CHARS).decode("utf-8", "replace")
    except OSError:
        return ""
