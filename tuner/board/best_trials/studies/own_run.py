"""What the files of one run of this service say about its trial.

They are in the log root, where trials may write: every key may be absent, or of another type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuner.board.best_trials.table.model import Row, State
from tuner.board.best_trials.table.values import MOST_NAMES, finite, scalars, short
from tuner.roots import Folder
from tuner.tfevents import read_json

#: `trial_00042-20261122T231005Z`, a later attempt with `-a2`.
RUN = re.compile(r"trial_(\d{1,9})(?:-[0-9TZ]+)?(?:-a(\d{1,6}))?")
#: Maximum number of bytes read from a run's file; a curve of 20 000 epochs fits.
MOST_BYTES = 2 << 20

_STATES: Mapping[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "fail"}


@dataclass(frozen=True, kw_only=True)
class OwnRun:
    """One attempt of a trial.

    Attributes:
        row: the trial according to this attempt.
        attempt: its number, from 1.
        is_ended: whether `trial.json` exists.
        is_outcome: whether it is the outcome of its trial.
    """

    row: Row
    attempt: int
    is_ended: bool
    is_outcome: bool


def read_own_run(folder: Folder, run: str, trial: int, attempt: int) -> OwnRun | None:
    """Read a run's files.

    Args:
        run: its path below the log directory.
        trial, attempt: from its name.

    Returns:
        None if neither `trial.json` nor `config.json` can be read.

    Raises:
        OSError: the files cannot be opened.
    """
    record = read_json(folder, "trial.json", most=MOST_BYTES)
    if isinstance(record, dict):
        return _ended(record, run, trial, attempt)
    config = read_json(folder, "config.json", most=MOST_BYTES)
    if not isinstance(config, dict):
        return None
    return OwnRun(
        row=Row(trial=trial, run=run, state="running", params=scalars(config.get("params"))),
        attempt=attempt,
        is_ended=False,
        is_outcome=False,
    )


def _ended(record: Mapping[str, Any], run: str, trial: int, attempt: int) -> OwnRun:
    outcome = record.get("outcome")
    state = _STATES.get(outcome) if isinstance(outcome, str) else None
    is_outcome = bool(record.get("is_outcome", True)) and state is not None
    values, attempts = record.get("values"), record.get("attempts")
    stop = record.get("stop")
    reason = record.get("error") or (stop.get("text") if isinstance(stop, dict) else None)
    row = Row(
        trial=trial,
        run=run,
        state=state if is_outcome and state is not None else "waiting",
        cause=short(record.get("cause")),
        reason=short(reason),
        objective=finite(record.get("objective")),
        values=tuple(finite(value) for value in values[:10]) if isinstance(values, list) else (),
        params=scalars(record.get("params")),
        metrics=_numbers(record.get("metrics")),
        attempts=len(attempts) if isinstance(attempts, list) and attempts else attempt,
        duration_s=finite(record.get("duration_s")),
        started=short(record.get("started"))[:40],
    )
    return OwnRun(row=row, attempt=attempt, is_ended=True, is_outcome=is_outcome)


def _numbers(found: object) -> Mapping[str, float]:
    if not isinstance(found, Mapping):
        return {}
    numbers = ((short(name), finite(value)) for name, value in list(found.items())[:MOST_NAMES])
    return {name: number for name, number in numbers if number is not None}
