"""All checks of a run that has ended, over all its studies."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.chaos.check_files import check_board, check_files
from tests.chaos.check_history import Calls, check_history
from tests.chaos.check_rows import best, check_rows, check_values
from tests.chaos.objectives import chaos_trials
from tests.chaos.rows import StudyRows
from tests.chaos.stack import Stack
from tests.chaos.studies import PLANTING, STUDIES, ChaosStudy
from tests.support.board.tensorboard_api import TensorBoard, open_tensorboard
from tuner.board.running import Site, open_board
from tuner.roots import Place

#: An entry of a log begins so; its traceback follows.
_ENTRY = re.compile(r"\d{4}-\d\d-\d\d[T ]")
#: Lines of a log that are shown around a fault.
SHOWN = 25
HOST = "127.0.0.1"
#: Studies whose files are checked.
CHECKED = tuple(study for study in STUDIES if study.has_files)


def check_stack(
    stack: Stack, calls: Calls, statuses: Mapping[str, dict[str, Any]], trials: int, seed: int
) -> Iterator[str]:
    """Yield every violation.

    Args:
        stack: whose studies have ended, and whose servers too.
        calls: the history.
        statuses: of each study, as its server told it at last.
        trials: of the run.
        seed: of the run; decides which study is looked at in TensorBoard.
    """
    for study in STUDIES:
        rows = StudyRows(stack.database_url, study.project, study.name)
        for problem in _check_study(study, rows, stack, calls, trials):
            yield f"{study.name}: {problem}"
        found = (statuses[study.name]["best"] or {}).get("objective")
        if found != best(rows, study.goal):
            yield f"{study.name}: the best is {best(rows, study.goal)}, the status says {found}"
        if study is CHECKED[seed % len(CHECKED)]:
            root = stack.log_root.path
            with open_tensorboard(root / study.full_name) as board:
                for problem in check_board(rows, root, board):
                    yield f"{study.name}: {problem}"
    yield from _check_guard(stack)
    yield from (f"a call was refused for its content: {fault}" for fault in calls.faults)
    for log in sorted(stack.folder.glob("*/*.log")):
        yield from _check_log(log)


def _check_guard(stack: Stack) -> Iterator[str]:
    """Open TensorBoard on what was planted, and then see what was done to the guard at all."""
    place = Place(stack.log_root.path, PLANTING.full_name)
    said: list[str] = []
    port = _free_port()
    with open_board(Site(source=place, host=HOST, port=port, tell=said.append)) as process:
        process.start()
        board = TensorBoard(f"http://{HOST}:{port}")
        try:
            board.wait_until(board.runs, lambda runs: len(runs) > 1)
        except TimeoutError as exc:
            yield f"TensorBoard shows nothing of {place}: {exc}; {said}"
    yield from stack.guard.violations()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _check_study(
    study: ChaosStudy, rows: StudyRows, stack: Stack, calls: Calls, trials: int
) -> Iterator[str]:
    budget = study.trials_of(trials)
    yield from check_rows(rows, study.space, budget=budget, retries=study.retries)
    if rows.has_gaps:
        return
    yield from check_values(rows, chaos_trials.value, chaos_trials.curve)
    yield from _check_endings(study, rows)
    yield from check_history(calls, rows)
    if study.has_files:
        yield from check_files(rows, stack.log_root.path)


def _check_endings(study: ChaosStudy, rows: StudyRows) -> Iterator[str]:
    for trial in rows.trials:
        allowed = study.endings(rows.params(trial))
        if (trial.state, trial.cause) not in allowed:
            yield f"trial {trial.number} ended {trial.state} ({trial.cause}), not {allowed}"


def _check_log(log: Path) -> Iterator[str]:
    """Yield the faults that a process has logged of its own: no outage may provoke one."""
    lines = log.read_text(errors="replace").splitlines()
    found = []
    said = ""
    for number, line in enumerate(lines):
        said = line if _ENTRY.match(line) else said
        if line.startswith("Traceback") and not _is_rqs(said) and not _is_told(said):
            found.append(number)
    for number in found[:3]:
        text = "\n".join(lines[max(0, number - 1) : number + SHOWN])
        yield f"{log.parent.name}/{log.name} has {len(found)} tracebacks, one is\n{text}"


def _is_told(entry: str) -> bool:
    """Whether a study is set aside, as its rows are gone: any but the victim is found paused."""
    return "tuner.coordinator.isolation study set aside" in entry


def _is_rqs(entry: str) -> bool:
    """Whether RQ tells at length why it could not tidy up after a wake-up, which changes nothing.

    The message came twice, or Redis went away meanwhile.
    """
    return " rq.worker: " in entry and "exception raised while executing (workers.wake." in entry
