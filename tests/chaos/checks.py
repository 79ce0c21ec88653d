"""All checks of a run that has ended, over all its studies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.chaos.check_files import check_board, check_files
from tests.chaos.check_history import Calls, check_history
from tests.chaos.check_rows import best, check_rows, check_values
from tests.chaos.objectives import chaos_trials
from tests.chaos.rows import StudyRows
from tests.chaos.stack import Stack
from tests.chaos.studies import PROJECT, STUDIES, ChaosStudy
from tests.tensorboard_api import open_tensorboard

#: An entry of a log begins so; its traceback follows.
_ENTRY = re.compile(r"\d{4}-\d\d-\d\d[T ]")
#: Lines of a log that are shown around a fault.
SHOWN = 25


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
        rows = StudyRows(stack.database_url, PROJECT, study.name)
        for problem in _check_study(study, rows, stack, calls, trials):
            yield f"{study.name}: {problem}"
        found = (statuses[study.name]["best"] or {}).get("objective")
        if found != best(rows, study.goal):
            yield f"{study.name}: the best is {best(rows, study.goal)}, the status says {found}"
        if study is STUDIES[seed % len(STUDIES)]:
            root = stack.log_root.path
            with open_tensorboard(root / study.full_name) as board:
                for problem in check_board(rows, root, board):
                    yield f"{study.name}: {problem}"
    yield from (f"a call was refused for its content: {fault}" for fault in calls.faults)
    for log in sorted(stack.folder.glob("*/*.log")):
        yield from _check_log(log)


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
        if line.startswith("Traceback") and not _is_rqs(said):
            found.append(number)
    for number in found[:3]:
        text = "\n".join(lines[max(0, number - 1) : number + SHOWN])
        yield f"{log.parent.name}/{log.name} has {len(found)} tracebacks, one is\n{text}"


def _is_rqs(entry: str) -> bool:
    """Whether RQ tells at length why it could not tidy up after a wake-up, which changes nothing.

    The message came twice, or Redis went away meanwhile.
    """
    return " rq.worker: " in entry and "exception raised while executing (workers.wake." in entry
