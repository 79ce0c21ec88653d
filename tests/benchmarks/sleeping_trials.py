"""Trials that sleep, and when each of them began: what a recovery is timed by."""

from __future__ import annotations

import contextlib
import math
import re
import time
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from tests.benchmarks.stack import Stack
from tests.benchmarks.studies import submit
from tuner.settings import Settings
from tuner.spec import parse_spec
from tuner.storage import tables

PROJECT = "recovery"
#: Longer than any recovery: such a trial ends only by what is done to it.
LONG_S = 3600.0
#: A trial that has not begun by then counts as never.
GIVE_UP_S = 90.0
_EVERY_S = 0.01
_RUN = re.compile(r"trial_(\d+)-[0-9TZ]+(?:-a(\d+))?")


@dataclass(frozen=True, kw_only=True)
class Began:
    """The objective of an attempt has begun, in this process, at this moment of the epoch."""

    trial: int
    attempt_no: int
    at: float
    pid: int

    @property
    def worker_pid(self) -> int:
        """Return the process that started the trial's."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return int(stat.rpartition(")")[2].split()[1])


def submit_sleeping_trials(
    stack: Stack, name: str, *, nap_s: float = LONG_S, trials: int = 1
) -> str:
    """Submit a study of sleeping trials; return its name."""
    spec = parse_spec(
        {
            "project": PROJECT,
            "study": name,
            "objective": "naps:nap",
            "metric": {"name": "loss", "goal": "minimize"},
            "search_space": {
                "train.learning_rate": {"type": "float", "low": 1e-5, "high": 1e-1, "log": True},
                "train.nap_s": {"type": "fixed", "value": nap_s},
            },
            "sampler": {"name": "tpe", "seed": 7},
            "trial": {"retries": 10},
            "budget": {"trials": trials},
        }
    )
    return submit(stack.api, spec)


def began(settings: Settings, study: str) -> list[Began]:
    """Return the attempts of a study whose objective has begun, earliest first."""
    found = []
    for path in (settings.log_root / study).glob("trial_*/began"):
        match = _RUN.fullmatch(path.parent.name)
        if match is None:
            raise ValueError(f"{path.parent} is not the folder of a run")
        with contextlib.suppress(FileNotFoundError):
            at, pid = path.read_text().split()
            number, attempt_no = int(match[1]), int(match[2] or 1)
            found.append(Began(trial=number, attempt_no=attempt_no, at=float(at), pid=int(pid)))
    return sorted(found, key=lambda one: one.at)


def wait_began(stack: Stack, study: str, *, attempt_no: int = 1, count: int = 1) -> Began | None:
    """Wait until so many trials have begun an attempt of this number; return the last of them."""
    deadline = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline:
        some = [one for one in began(stack.settings, study) if one.attempt_no == attempt_no]
        if len(some) >= count:
            return some[count - 1]
        time.sleep(_EVERY_S)
    return None


def wait_new(stack: Stack, study: str, since: float) -> float:
    """Wait for a trial that was proposed after `since`; return how much later it began, seconds.

    A trial that was proposed before and only waited for a worker is no sign of a recovery.

    Returns:
        Infinity when none has begun within `GIVE_UP_S`.
    """
    a, s = tables.attempts, tables.studies
    query = (
        sa.select(a.c.number, a.c.no)
        .join(s, s.c.id == a.c.study_id)
        .where(s.c.project + "/" + s.c.name == study, a.c.created > since)
    )
    engine = sa.create_engine(stack.settings.database_url, poolclass=sa.NullPool)
    deadline = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline:
        later = [one for one in began(stack.settings, study) if one.at > since]
        if later:
            with engine.connect() as connection:
                new = {tuple(row) for row in connection.execute(query)}
            for one in later:
                if (one.trial, one.attempt_no) in new:
                    return one.at - since
        time.sleep(_EVERY_S)
    return math.inf
