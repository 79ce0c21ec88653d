"""Completes the folders of ended attempts from the database."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tuner.errors import NotFoundError
from tuner.exporters import repair_run
from tuner.roots import Place
from tuner.service.answers.records import trial_config, trial_record
from tuner.service.roots import unfiled
from tuner.service.roots.care import Care
from tuner.service.roots.hands import Late
from tuner.service.roots.unfiled import Subject
from tuner.storage import Storage
from tuner.trials.attempt import Attempt
from tuner.trials.specs import read_spec
from tuner.trials.store.attempts import read_attempt
from tuner.trials.store.filing import attempts_to_file, metrics_by_step, set_filed
from tuner.trials.store.listings.logbook import attempts_of
from tuner.trials.store.studies import study_of
from tuner.trials.store.trials import trial_of

logger = logging.getLogger(__name__)

#: Seconds for a cancelled attempt, which may keep writing until its next beat.
CALLED_OFF_GRACE_S = 15.0
#: Maximum number of runs filed in a row before studies are processed; the same for previously
#: failed ones.
BATCH = 200
AGAIN = 20
#: Maximum seconds for that.
BATCH_S = 5.0


@dataclass(frozen=True, kw_only=True)
class _Papers:
    """What an attempt's folder should contain; see `repair_run`."""

    config: dict[str, Any]
    record: dict[str, Any]
    metrics: dict[int, dict[str, float]]


class RunFiler:
    """Files runs. Not thread-safe.

    Args:
        log_root: shared with the workers.
        care: handles errors.
    """

    def __init__(self, storage: Storage, log_root: Path, care: Care) -> None:
        self._storage = storage
        self._log_root = log_root
        self._care = care
        self._done: list[str] = []

    def file(self, grace_s: float) -> None:
        """File what has ended; previously failed runs come last, a few at a time.

        Args:
            grace_s: seconds that a worker gets to write the files of what it has finished.

        Raises:
            RootLostError: the log root cannot be written.
            StuckError: nothing can be tried at present, because earlier calls do not return.
        """
        until = time.monotonic() + BATCH_S
        try:
            fresh = [(_subject(attempt), attempt) for attempt in self._fresh(grace_s)]
            for subject, attempt in [*fresh, *((subject, None) for subject in self._due())]:
                if time.monotonic() > until:
                    break
                self._file(subject, attempt)
        finally:
            self._mark()

    def take_late(self, late: Late, subject: Subject) -> None:
        """Process the late end of writing a run, whether it succeeded or failed."""
        if late.error is None:
            self._done.append(subject.key)
            self._mark()
        else:
            self._care.failed(subject, late.error, self._log_root)

    def _file(self, subject: Subject, attempt: Attempt | None) -> None:
        """File a run; if `attempt` is None, read it first."""
        if self._care.hands.is_stuck(subject):
            return
        with self._care.of(subject, self._log_root):
            attempt = attempt or self._read(subject)
            papers = None if attempt is None else self._papers(attempt)
            if attempt is None or papers is None:
                return
            what = f"the run of trial {attempt.number} in {attempt.run_dir}"
            write = partial(_write, self._log_root, attempt, papers)
            if self._care.hands.do(subject, what, write):
                logger.info("run repaired", extra={"run": attempt.run_dir})
            self._done.append(attempt.id)

    def _mark(self) -> None:
        """Record what was filed."""
        if not self._done:
            return
        with self._storage.begin() as connection:
            set_filed(connection, self._done)
        self._done = []

    def _fresh(self, grace_s: float) -> list[Attempt]:
        """Return attempts to file that have not failed before, oldest first."""
        with self._storage.read() as connection:
            now = self._storage.now(connection)
            called_off = now - min(CALLED_OFF_GRACE_S, CALLED_OFF_GRACE_S * grace_s)
            return attempts_to_file(
                connection, ended_before=now - grace_s, called_off_before=called_off, most=BATCH
            )

    def _due(self) -> list[Subject]:
        """Return runs that failed before and are due again."""
        with self._storage.read() as connection:
            return unfiled.due_runs(connection, self._storage.now(connection), most=AGAIN)

    def _read(self, subject: Subject) -> Attempt | None:
        with self._storage.read() as connection:
            return read_attempt(connection, subject.key)

    def _papers(self, attempt: Attempt) -> _Papers | None:
        """Return the contents of a folder; None: its study was deleted just now."""
        with self._storage.read() as connection:
            try:
                study, trial = study_of(connection, attempt), trial_of(connection, attempt)
            except NotFoundError:
                return None
            metrics = metrics_by_step(connection, attempt)
            attempts = attempts_of(connection, attempt.study_id, attempt.number)
            record = trial_record(connection, study, trial, attempt, attempts)
        config = trial_config(study, trial, read_spec(study.spec_json), attempt)
        return _Papers(config=config, record=record, metrics=metrics)


def _subject(attempt: Attempt) -> Subject:
    return Subject(kind="run", study_id=attempt.study_id, key=attempt.id, number=attempt.number)


def _write(log_root: Path, attempt: Attempt, papers: _Papers) -> bool:
    """Complete a folder; return whether anything was missing."""
    # An attempt that was taken back as never started may have started all the same.
    if attempt.claimed is None and not Place(log_root, attempt.run_dir).exists():
        return False
    return repair_run(log_root, papers.config, papers.record, metrics=papers.metrics)
