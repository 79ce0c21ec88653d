"""Takes failing workers out of service, and back in after a passed self-test.

A worker is identified by its name, which a supervisor gives to all successive processes on the same
device: a worker whose processes die again and again is therefore one worker. It is judged only
after failures of two distinct trials in a row, so an operator killing it once does not count.

All trials of a study may fail through the study's own fault (code that ends its worker, or exhausts
a host's memory), so they alone never take a worker out: a trial of a second study has to fail there
as well, or its self-test, which is requested immediately and runs before its next trial. After its
time out of service and a passed self-test, the worker is on probation until its next success: then
the first failed trial is enough to take it out again, for twice as long as before.

Every function runs inside the caller's transaction, and locks the worker's row after attempts and
trials.
"""

from __future__ import annotations

import json
import logging

import sqlalchemy as sa

from tuner.protocol import LEASE_S, Cause
from tuner.trials.attempt import Attempt
from tuner.trials.causes import POLICIES
from tuner.trials.states import AttemptState
from tuner.trials.store.attempts import FailedAttempt, failed_attempts, failed_elsewhere
from tuner.trials.store.events import record_event
from tuner.trials.store.workers import change_worker, find_worker, rehabilitate
from tuner.trials.worker import Worker

logger = logging.getLogger(__name__)

#: Number of distinct trials failing in a row that takes a worker out of service; on probation, one
#: is enough.
LIMIT = 2
#: The first self-test is due after 1.5 leases (30 s), each further one after twice the previous
#: wait.
FIRST_WAIT_LEASES = 1.5
LAST_WAIT_LEASES = 90.0
_IF_OTHERS_CAN = [c for c, policy in POLICIES.items() if policy.doubts_worker == "if others can"]
_MAX_ERROR_CHARS = 160
#: Maximum number of failed attempts remembered per worker.
_REMEMBERED = 8


def wait_s(tries: int) -> float:
    """Return the seconds between a worker's removal, or its last self-test, and the next self-test.

    Args:
        tries: number of self-tests since the worker's last success.
    """
    return min(FIRST_WAIT_LEASES * 2.0**tries, LAST_WAIT_LEASES) * LEASE_S


def note_end(
    connection: sa.Connection,
    attempt: Attempt,
    cause: Cause | None,
    now: float,
    *,
    retry_of: int | None = None,
) -> None:
    """Record what the end of an attempt says about the worker that ran it.

    Args:
        connection: of the transaction that ends the attempt.
        attempt: the one that ended; if it had been counted as lost before, this end corrects that.
        cause: of the failure; None: it succeeded.
        now: the database's time.
        retry_of: the trial whose configuration this trial repeats.
    """
    if attempt.worker is None:
        return
    if cause is None:
        if attempt.no > 1 or retry_of is not None:
            _blame_others(connection, attempt, now, retry_of)
        rehabilitate(connection, attempt.worker, now)
    elif POLICIES[cause].doubts_worker == "always":
        hold_against(connection, attempt, now)
    elif attempt.state is AttemptState.LOST:
        forgive(connection, attempt)


def hold_against(connection: sa.Connection, attempt: Attempt, now: float) -> None:
    """Count an attempt against its worker, and take the worker out of service at the limit."""
    worker = _lock(connection, attempt)
    if worker is None:
        return
    failed = worker.failed
    if attempt.id not in failed:
        failed.append(attempt.id)
    change_worker(connection, worker.name, failed_json=json.dumps(failed[-_REMEMBERED:]))
    if worker.out_reason != "" or not _is_judged(worker, failed):
        return
    if len({_study_key(name) for name in failed}) > 1:
        _take_out(connection, worker, failed, _describe(connection, worker, failed), now)
    elif worker.test_after is None:
        change_worker(connection, worker.name, test_after=now)
        logger.warning("worker is to test itself", extra={"worker": worker.name, "failed": failed})


def forgive(connection: sa.Connection, attempt: Attempt) -> None:
    """Stop counting an attempt against its worker: it was lost only temporarily."""
    worker = _lock(connection, attempt)
    if worker is None:
        return
    failed = worker.failed
    if attempt.id in failed:
        failed.remove(attempt.id)
        change_worker(connection, worker.name, failed_json=json.dumps(failed))


def is_test_due(worker: Worker, now: float) -> bool:
    """Whether a worker should test itself now: it is out of service, or a user has requested it."""
    return worker.test_after is not None and worker.test_after <= now


def note_test(connection: sa.Connection, name: str, found: str, now: float) -> None:
    """Record the result of a self-test.

    Args:
        connection: of the transaction of the worker's beat.
        found: what is wrong with it; empty: it passed.
        now: the database's time.
    """
    worker = find_worker(connection, name, hold=True)
    if worker is None:
        return
    failed = worker.failed
    if found:
        _note_failed_test(connection, worker, failed, found, now)
    elif not is_test_due(worker, now):
        return  # the same result a second time, or one that somebody has just overtaken
    elif worker.out_reason == "":
        change_worker(connection, worker.name, test_after=None, failed_json="[]")
    else:
        # Failures stay remembered on probation, so that a trial of another study takes it out
        # immediately.
        back = {"out_reason": "", "out_since": None, "test_after": None}
        change_worker(connection, worker.name, test_tries=worker.test_tries + 1, **back)
        text = f"worker {worker.name} is back in service: its self-test passed"
        _tell_studies(connection, failed, "worker-back", text, now)
        logger.warning("worker is back in service", extra={"worker": worker.name})


def _note_failed_test(
    connection: sa.Connection, worker: Worker, failed: list[str], found: str, now: float
) -> None:
    if worker.out_reason == "":
        why = f"{_describe(connection, worker, failed)}; " if _is_judged(worker, failed) else ""
        reason = f"{why}its self-test failed: {found}" if why else found
        _take_out(connection, worker, failed, reason, now)
        return
    due = {"test_after": now + wait_s(worker.test_tries + 1), "test_tries": worker.test_tries + 1}
    change_worker(connection, worker.name, out_reason=f"its self-test failed: {found}", **due)
    logger.warning("worker stays out of service", extra={"worker": worker.name, "reason": found})


def _take_out(
    connection: sa.Connection, worker: Worker, failed: list[str], reason: str, now: float
) -> None:
    due = now + wait_s(worker.test_tries)
    change_worker(connection, worker.name, out_reason=reason, out_since=now, test_after=due)
    text = f"worker {worker.name} is out of service: {reason}"
    _tell_studies(connection, failed, "worker-out", text, now)
    logger.warning("worker is out of service", extra={"worker": worker.name, "reason": reason})


def _blame_others(
    connection: sa.Connection, done: Attempt, now: float, retry_of: int | None
) -> None:
    """If a configuration completes, count its earlier failed attempts against their workers.

    Workers that have completed any trial since then are left alone.
    """
    numbers = [done.number] if retry_of is None else [done.number, retry_of]
    for attempt in failed_elsewhere(connection, done, numbers, _IF_OTHERS_CAN):
        hold_against(connection, attempt, now)


def _is_judged(worker: Worker, failed: list[str]) -> bool:
    """Whether enough trials have failed in a row on a worker to judge it."""
    trials = {_trial_key(name) for name in failed}
    return len(trials) >= (1 if worker.test_tries else LIMIT)


def _describe(connection: sa.Connection, worker: Worker, failed: list[str]) -> str:
    """Return why a worker goes out of service: the failed trials in a row, with their causes."""
    if worker.test_tries:
        failed = failed[-1:]  # the others have taken it out before
    parts = [_failure(row) for row in _newest(connection, failed)]
    count = len({_trial_key(name) for name in failed})
    head = f"{count} trials in a row failed here" if count > 1 else "a trial failed here again"
    return f"{head}: {'; '.join(parts)}" if parts else head


def _tell_studies(
    connection: sa.Connection, failed: list[str], kind: str, text: str, now: float
) -> None:
    rows = _newest(connection, failed)
    for study_id, project in sorted({(row.study_id, row.project) for row in rows}):
        told = text
        # Readers of a study's events may have no access to another project.
        for row in rows:
            if row.project != project:
                told = told.replace(_failure(row), "a trial of another project")
        record_event(connection, now, kind, told, study_id=study_id)


def _failure(row: FailedAttempt) -> str:
    """Return a short description of a failed attempt and its cause."""
    last = (row.error.strip().splitlines() or [""])[-1][:_MAX_ERROR_CHARS]
    why = f"{row.cause}: {last}" if last else row.cause
    return f"{row.project}/{row.name} trial {row.number} ({why})"


def _newest(connection: sa.Connection, failed: list[str]) -> list[FailedAttempt]:
    """Return the newest failed attempt of each trial, without those of deleted studies."""
    return failed_attempts(connection, {_trial_key(name): name for name in failed}.values())


def _trial_key(attempt_id: str) -> str:
    return attempt_id.rpartition("-a")[0]


def _study_key(attempt_id: str) -> str:
    return attempt_id.partition("-t")[0]


def _lock(connection: sa.Connection, attempt: Attempt) -> Worker | None:
    worker = attempt.worker
    return None if worker is None else find_worker(connection, worker, hold=True)
