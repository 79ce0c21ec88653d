"""What the log root must hold of a study that has ended, once it could be written again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.chaos.rows import StudyRows
from tests.support.board.tensorboard_api import TensorBoard
from tuner.roots import Place
from tuner.tfevents import read_json, read_run
from tuner.tfevents.events import as_float32
from tuner.tfevents.reader import RunEvents

#: Points of a curve that TensorBoard keeps.
SAMPLE = 1000


def check_files(rows: StudyRows, log_root: Path) -> Iterator[str]:
    """Yield what is missing or wrong in the folders of the study and of what may have run."""
    for attempt in executed(rows, log_root):
        for problem in _check_folder(rows, attempt, log_root / attempt.run_dir):
            yield f"{attempt.run_dir}: {problem}"
    yield from _check_study_run(rows, log_root / rows.study.project / rows.study.name / "_study")


def _check_study_run(rows: StudyRows, folder: Path) -> Iterator[str]:
    """Yield what is wrong with the study's own curve, as TensorBoard takes it in."""
    events = read_run(Place(folder), check_payload=True)
    drawn: dict[int, float] = {}
    for step, value, _ in events["scalars"].get("study/objective", []):
        # A step that comes again replaces all that came after it.
        drawn = {known: old for known, old in drawn.items() if known < step}
        drawn[step] = value
    if list(drawn.items()) != _complete(rows):
        yield f"_study: has the curve {drawn}, not {_complete(rows)}"
    if events["experiment"] is None:
        yield "_study: declares no experiment"


def _complete(rows: StudyRows) -> list[tuple[int, float]]:
    return [
        (trial.number, as_float32(trial.objective))
        for trial in rows.trials
        if trial.state == "complete"
    ]


def executed(rows: StudyRows, log_root: Path) -> Iterator[Any]:
    """Yield the attempts that were claimed, and those that have a folder all the same."""
    for attempts in rows.attempts.values():
        for attempt in attempts:
            if attempt.claimed is not None or (log_root / attempt.run_dir).exists():
                yield attempt


def _check_folder(rows: StudyRows, attempt: Any, folder: Path) -> Iterator[str]:
    config, record = (read_json(Place(folder), name) for name in ("config.json", "trial.json"))
    if not isinstance(config, dict) or not isinstance(record, dict):
        found = sorted(path.name for path in folder.glob("*"))
        yield f"config.json or trial.json are missing, there is {found}"
        return
    trial = rows.trials[attempt.number]
    is_outcome = rows.is_outcome(attempt)
    if config["params"] != rows.params(trial) or record["params"] != rows.params(trial):
        yield f"has the parameters {config['params']} and {record['params']}"
    if record["is_outcome"] != is_outcome:
        yield f"trial.json says is_outcome {record['is_outcome']}"
    if is_outcome and (record["outcome"], record["objective"]) != (
        trial.state.upper(),
        trial.objective,
    ):
        yield f"trial.json says {record['outcome']} {record['objective']}"
    yield from _check_events(rows, attempt, read_run(Place(folder), check_payload=True))


def _check_events(rows: StudyRows, attempt: Any, events: RunEvents) -> Iterator[str]:
    trial = rows.trials[attempt.number]
    if events["hparams"] != rows.params(trial):
        yield f"its event files have the parameters {events['hparams']}"
    if events["group"] != Path(attempt.run_dir).name:
        yield f"its event files have the group {events['group']}"
    expected = "success" if _succeeded(rows, attempt) else "failure"
    if events["status"] != expected:
        yield f"its event files end with {events['status']}, not {expected}"
    objective = [value for _, value, _ in events["scalars"].get("objective", [])][-1:]
    wanted = _objective(rows, attempt)
    if objective != [as_float32(value) for value in wanted]:
        yield f"its event files have the objective {objective}, not {wanted}"


def check_board(rows: StudyRows, log_root: Path, board: TensorBoard) -> Iterator[str]:
    """Yield what TensorBoard shows otherwise than the database has it."""
    claimed = {Path(a.run_dir).name: a for a in executed(rows, log_root)}
    board.wait_until(board.trials, lambda trials: trials.keys() >= claimed.keys())
    shown = board.trials()
    if extra := shown.keys() - claimed.keys():
        yield f"TensorBoard shows {extra}"
    for name, attempt in claimed.items():
        for problem in _check_row(rows, attempt, shown[name]):
            yield f"TensorBoard, {name}: {problem}"
    drawn, complete = board.scalars("_study", "study/objective"), _complete(rows)
    # Of long curves it draws a sample.
    is_right = drawn == complete if len(complete) <= SAMPLE else set(drawn) <= set(complete)
    if not is_right or len(drawn) < min(SAMPLE, len(complete)):
        yield f"TensorBoard draws {drawn} as the study's objective, not {complete}"


def _check_row(rows: StudyRows, attempt: Any, shown: dict[str, Any]) -> Iterator[str]:
    params = json.loads(rows.trials[attempt.number].params_json)
    if shown["hparams"] != params:
        yield f"has {shown['hparams']}"
    expected = "SUCCESS" if _succeeded(rows, attempt) else "FAILURE"
    if shown["status"] != expected:
        yield f"is {shown['status']}, not {expected}"
    metrics = shown["metrics"].get("objective")
    wanted = _objective(rows, attempt)
    same = (metrics is None) if not wanted else metrics is not None
    if not same or (wanted and not math.isclose(metrics, wanted[0], rel_tol=1e-6)):
        yield f"has the objective {metrics}, not {wanted}"


def _succeeded(rows: StudyRows, attempt: Any) -> bool:
    trial = rows.trials[attempt.number]
    return rows.is_outcome(attempt) and trial.state in ("complete", "pruned")


def _objective(rows: StudyRows, attempt: Any) -> list[float]:
    """Return the value that this attempt's run must show: none but the outcome's."""
    trial = rows.trials[attempt.number]
    if not rows.is_outcome(attempt) or trial.objective is None:
        return []
    return [float(trial.objective)]
