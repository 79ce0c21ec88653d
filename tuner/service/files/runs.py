"""Completes the folders of attempts that have ended, from the database."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tuner.exporters import repair_run
from tuner.roots import Place
from tuner.service.answers.records import trial_config, trial_record
from tuner.service.roots.care import Care
from tuner.service.roots.hands import Late
from tuner.service.roots.unfiled import Subject
from tuner.storage import Storage, tables
from tuner.trials.attempt import Attempt
from tuner.trials.attempts import ENDED
from tuner.trials.specs import read_spec
from tuner.trials.study import Study
from tuner.trials.trial import Trial

logger = logging.getLogger(__name__)

#: One that was called off may still be writing until its next beat.
CALLED_OFF_GRACE_S = 15.0
#: So many are filed before studies are looked at, and so many of those that failed before.
BATCH = 200
AGAIN = 20
#: And no longer than this.
BATCH_S = 5.0


@dataclass(frozen=True, kw_only=True)
class _Papers:
    """What an attempt's folder should hold; see `repair_run`."""

    config: dict[str, Any]
    record: dict[str, Any]
    metrics: dict[int, dict[str, float]]


class RunFiler:
    """Files runs. Not for several threads.

    Args:
        storage: the truth.
        log_root: shared with the workers.
        care: how it is tried.
    """

    def __init__(self, storage: Storage, log_root: Path, care: Care) -> None:
        self._storage = storage
        self._log_root = log_root
        self._care = care
        self._done: list[str] = []

    def file(self, grace_s: float) -> None:
        """File what has ended; those that failed before come last, and few at a time.

        Args:
            grace_s: a worker gets this long to write the files of what it has finished.

        Raises:
            RootLostError: the log root cannot be written.
            StuckError: nothing can be tried at present, because calls before do not return.
        """
        until = time.monotonic() + BATCH_S
        try:
            for attempt in [*self._fresh(grace_s), *self._due()]:
                if time.monotonic() > until:
                    break
                self._file(attempt)
        finally:
            self._mark()

    def take_late(self, late: Late, subject: Subject) -> None:
        """Take in that a run was written, or could not be, when nobody waited any more."""
        if late.error is None:
            self._done.append(subject.key)
            self._mark()
        else:
            self._care.failed(subject, late.error, self._log_root)

    def _file(self, attempt: sa.Row[Any]) -> None:
        subject = Subject(
            kind="run", study_id=attempt.study_id, key=attempt.id, number=attempt.number
        )
        if self._care.hands.is_stuck(subject):
            return
        what = f"the run of trial {attempt.number} in {attempt.run_dir}"
        with self._care.of(subject, self._log_root):
            papers = self._papers(attempt)
            if papers is None:
                return
            write = partial(_write, self._log_root, attempt, papers)
            if self._care.hands.do(subject, what, write):
                logger.info("run repaired", extra={"run": attempt.run_dir})
            self._done.append(attempt.id)

    def _mark(self) -> None:
        """Note what was filed."""
        if not self._done:
            return
        a, u = tables.attempts, tables.unfiled
        with self._storage.begin() as connection:
            connection.execute(a.update().where(a.c.id.in_(self._done)).values(filed=True))
            connection.execute(u.delete().where(u.c.kind == "run", u.c.key.in_(self._done)))
        self._done = []

    def _fresh(self, grace_s: float) -> Sequence[sa.Row[Any]]:
        """Return attempts to be filed that have not failed before, oldest first."""
        a, t, u = tables.attempts, tables.trials, tables.unfiled
        with self._storage.read() as connection:
            now = self._storage.now(connection)
            called_off = now - min(CALLED_OFF_GRACE_S, CALLED_OFF_GRACE_S * grace_s)
            decided = sa.and_(t.c.state.in_(ENDED), a.c.finished < called_off)
            failed = sa.exists().where(
                u.c.kind == "run", u.c.study_id == a.c.study_id, u.c.key == a.c.id
            )
            return connection.execute(
                sa.select(a)
                .join(t, sa.and_(t.c.study_id == a.c.study_id, t.c.number == a.c.number))
                .where(
                    a.c.filed.is_(False),
                    sa.or_(
                        sa.and_(a.c.state.in_(("done", "failed")), a.c.finished < now - grace_s),
                        sa.and_(a.c.state.in_(("lost", "cancelled", "revoked")), decided),
                    ),
                    ~failed,
                )
                .order_by(a.c.finished)
                .limit(BATCH)
            ).all()

    def _due(self) -> Sequence[sa.Row[Any]]:
        """Return attempts that failed before and whose time has come."""
        a, u = tables.attempts, tables.unfiled
        with self._storage.read() as connection:
            now = self._storage.now(connection)
            return connection.execute(
                sa.select(a)
                .join(u, sa.and_(u.c.study_id == a.c.study_id, u.c.key == a.c.id))
                .where(u.c.kind == "run", u.c.next_try <= now)
                .order_by(u.c.next_try)
                .limit(AGAIN)
            ).all()

    def _papers(self, attempt: sa.Row[Any]) -> _Papers | None:
        """Return what belongs into a folder; None: its study was deleted just now."""
        s, t, r = tables.studies, tables.trials, tables.reports
        with self._storage.read() as connection:
            study = connection.execute(sa.select(s).where(s.c.id == attempt.study_id)).first()
            trial = connection.execute(
                sa.select(t).where(t.c.study_id == attempt.study_id, t.c.number == attempt.number)
            ).first()
            if study is None or trial is None:
                return None
            reported = connection.execute(
                sa.select(r.c.step, r.c.metrics_json).where(
                    r.c.study_id == study.id,
                    r.c.number == trial.number,
                    r.c.no == attempt.no,
                    r.c.metrics_json.is_not(None),
                )
            )
            metrics = {row.step: json.loads(row.metrics_json) for row in reported}
            papers = Study.of(study), Trial.of(trial), Attempt.of(attempt)
            record = trial_record(connection, *papers)
        config = trial_config(*papers[:2], read_spec(study.spec_json), papers[2])
        return _Papers(config=config, record=record, metrics=metrics)


def _write(log_root: Path, attempt: sa.Row[Any], papers: _Papers) -> bool:
    """Complete a folder; return whether anything was missing."""
    # One that was taken back as never begun may have begun all the same.
    if attempt.claimed is None and not Place(log_root, attempt.run_dir).exists():
        return False
    return repair_run(log_root, papers.config, papers.record, metrics=papers.metrics)
