"""A study as CSV with one row per trial, and as JSON with the curves and the spec."""

from __future__ import annotations

import csv
import datetime
import json
import re
from pathlib import Path
from typing import Any

from tuner.exporters.formats.described import ExportedStudy, ExportedTrial
from tuner.visible import finite

#: The first characters by which a spreadsheet recognizes a formula.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_FACTS = ("trial", "state", "cause", "objective")
_END = ("attempts", "started", "finished", "duration_s", "run_dir")


def write_csv(study: ExportedStudy, path: Path) -> None:
    """Write comma-separated values: facts, `params.NAME` and `metrics.NAME` of each trial.

    Text that a spreadsheet would take for a formula is prefixed with an apostrophe.
    """
    header = [
        *_FACTS,
        *(f"params.{name}" for name in study.parameters),
        *(f"metrics.{name}" for name in study.metrics),
        *_END,
    ]
    with path.open("x", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(_cell, header))
        for trial in study.trials:
            facts = _facts(trial)
            row = [
                *(facts[name] for name in _FACTS),
                *(trial.params.get(name) for name in study.parameters),
                *(trial.metrics.get(name) for name in study.metrics),
                *(facts[name] for name in _END),
            ]
            writer.writerow(map(_cell, row))


def write_json(study: ExportedStudy, path: Path) -> None:
    """Write one JSON document: the study, its spec and, one per line, its trials."""
    head = {
        "study": study.name,
        "state": study.state,
        "created": _iso(study.created),
        "metrics": [{"name": name, "goal": goal} for name, goal in study.goals.items()],
        "spec": study.spec,
    }
    with path.open("x", encoding="utf-8", errors="replace") as file:
        file.write(f'{_dump(head)[:-1]}, "trials": [')
        for at, trial in enumerate(study.trials):
            document = {
                **_facts(trial),
                "params": trial.params,
                "metrics": trial.metrics,
                "curve": trial.curve,
            }
            file.write(("," if at else "") + "\n" + _dump(document))
        file.write("\n]}\n")


def _facts(trial: ExportedTrial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "state": trial.state,
        "cause": trial.cause,
        "objective": trial.objective,
        "attempts": trial.attempts,
        "started": _iso(trial.started),
        "finished": _iso(trial.finished),
        "duration_s": trial.duration_s,
        "run_dir": trial.run_dir,
    }


def _dump(document: dict[str, Any]) -> str:
    return json.dumps(finite(document), ensure_ascii=False, allow_nan=False)


def _iso(time_s: float | None) -> str | None:
    if time_s is None:
        return None
    moment = datetime.datetime.fromtimestamp(time_s, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return "" if value is None else value
