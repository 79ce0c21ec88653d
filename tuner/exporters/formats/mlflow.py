"""A study as an experiment in MLflow's file store: `EXPERIMENT/RUN/` and what a run has logged.

The layout is that of `mlruns/`: for each run `meta.yaml`, a file for each parameter and each tag
with its value, and a file for each metric with one line per report: milliseconds, value, step.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

from tuner.exporters.formats.described import ExportedStudy, ExportedTrial

#: MLflow's numbers for the states of runs (its `RunStatus`); there is none for pruned.
_STATUS = {"complete": 3, "fail": 4, "pruned": 5}
#: Tag that says how a trial ended, because MLflow lacks such states.
STATE_TAG = "tuner.state"
#: Characters that MLflow allows in no name; a `/` makes a folder.
_UNFIT = re.compile(r"[^\w.:/\- ]", flags=re.ASCII)
_MAX_NAME, _MAX_VALUE = 200, 6000
#: The source type that MLflow calls LOCAL.
_LOCAL = 4


def write_store(study: ExportedStudy, path: Path) -> None:
    """Write a folder for `mlflow ui --backend-store-uri`, with one experiment."""
    experiment = str(int(hashlib.sha256(study.name.encode()).hexdigest(), 16) % 10**18)
    folder = path / experiment
    folder.mkdir(parents=True)
    created = _milliseconds(study.created) or 0
    about: dict[str, object] = {
        "artifact_location": "",
        "creation_time": created,
        "experiment_id": experiment,
        "last_update_time": created,
        "lifecycle_stage": "active",
        "name": study.name,
    }
    _write_meta(folder, about)
    for name, goal in study.goals.items():
        _write(folder, "tags", f"tuner.goal.{name}", goal)
    for trial in study.trials:
        _write_run(study, experiment, folder, trial)


def _write_run(study: ExportedStudy, experiment: str, above: Path, trial: ExportedTrial) -> None:
    key = hashlib.sha256(f"{study.name}\n{study.created}\n{trial.number}".encode()).hexdigest()[:32]
    folder = above / key
    for part in ("artifacts", "metrics", "params", "tags"):
        (folder / part).mkdir(parents=True)
    start = _milliseconds(trial.started)
    about: dict[str, object] = {
        "artifact_uri": "",
        "end_time": _milliseconds(trial.finished),
        "entry_point_name": "",
        "experiment_id": experiment,
        "lifecycle_stage": "active",
        "run_id": key,
        "run_name": f"trial-{trial.number}",
        "run_uuid": key,
        "source_name": "",
        "source_type": _LOCAL,
        "source_version": "",
        "start_time": start,
        "status": _STATUS[trial.state],
        "tags": [],
        "user_id": "tuner",
    }
    _write_meta(folder, about)
    for name, value in trial.params.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        _write(folder, "params", name, text[:_MAX_VALUE])
    tags = {
        "mlflow.runName": f"trial-{trial.number}",
        "tuner.study": study.name,
        "tuner.trial": str(trial.number),
        STATE_TAG: trial.cause if trial.state == "fail" and trial.cause else trial.state,
    }
    for name, text in tags.items():
        _write(folder, "tags", name, text)
    first = next(iter(study.goals))
    when = _milliseconds(trial.finished) or start or 0
    for name, value in trial.metrics.items():
        curve = trial.curve if name == first else ()
        points = [(step, number) for step, number in curve if math.isfinite(number)]
        # A trial's result may differ from its last report; it is logged after that.
        if not points or points[-1][1] != value:
            points.append((points[-1][0] if points else 0, value))
        _write(folder, "metrics", name, "".join(f"{when} {v!r} {s}\n" for s, v in points))


def _write(folder: Path, part: str, name: str, text: str) -> None:
    fit = _UNFIT.sub("_", name)[:_MAX_NAME]
    # A part that consists of dots would be a relative path.
    parts = [inner if inner.strip(".") else f"_{inner}" for inner in fit.split("/")]
    try:
        _write_new(Path(folder, part, *parts), text)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        # Another name becomes the same, or is the folder that this one's file would need.
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        _write_new(folder / part / f"{'_'.join(parts)[:_MAX_NAME]}_{digest}", text)


def _write_new(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8", errors="replace") as file:
        file.write(text)


def _write_meta(folder: Path, about: Mapping[str, object]) -> None:
    # JSON strings and numbers are valid YAML.
    lines = [f"{name}: {json.dumps(value)}\n" for name, value in about.items()]
    (folder / "meta.yaml").write_text("".join(lines), encoding="utf-8")


def _milliseconds(time_s: float | None) -> int | None:
    return None if time_s is None else int(time_s * 1000)
