"""A study in the JSON form that W&B's public API returns for runs: one run per line."""

from __future__ import annotations

import datetime
import json
import math
from pathlib import Path
from typing import Any

from tuner.exporters.formats.described import ExportedStudy, ExportedTrial


def write_runs(study: ExportedStudy, path: Path) -> None:
    """Write one line per trial: `id`, `name`, `state`, `config`, `summary`, `history`.

    W&B has no state for pruned runs; `state` says so nevertheless, and gives the cause of failures.
    """
    metric = next(iter(study.goals))
    with path.open("x", encoding="utf-8", errors="replace") as file:
        for trial in study.trials:
            run = _run(study, trial, metric)
            file.write(json.dumps(run, ensure_ascii=False, allow_nan=False) + "\n")


def _run(study: ExportedStudy, trial: ExportedTrial, metric: str) -> dict[str, Any]:
    points = [(step, value) for step, value in trial.curve if math.isfinite(value)]
    last = trial.metrics.get(metric)
    # A trial's result may differ from its last report; it is logged after that.
    if points and last is not None and points[-1][1] != last:
        points.append((points[-1][0], last))
    return {
        "id": f"{trial.number:07d}",
        "name": f"trial-{trial.number}",
        "project": study.name,
        "state": {"complete": "finished", "pruned": "pruned"}.get(trial.state, trial.cause),
        "created_at": _iso(trial.started),
        "heartbeat_at": _iso(trial.finished),
        "config": dict(trial.params),
        "summary": dict(trial.metrics),
        "history": [{"_step": step, metric: value} for step, value in points],
    }


def _iso(time_s: float | None) -> str | None:
    if time_s is None:
        return None
    return datetime.datetime.fromtimestamp(time_s, datetime.UTC).isoformat()
