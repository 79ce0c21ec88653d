"""Keeps the open studies' knowledge from the history up to date, beside the coordinator's loop.

A thread checks every few seconds whether the history has changed, and learns anew for each open
study (`learning.py`); the loop never waits for it. What was learned is stored first, and is used
from the next proposal on. A study without a lesson waits a little for its first: starting cold
would waste its first trials. After a restart, or a change of leader, the stored lesson is used.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from tuner.coordinator.isolation import StudyIsolation
from tuner.coordinator.leadership import Leadership
from tuner.coordinator.studies.study_run import StudyRun
from tuner.errors import UnavailableError
from tuner.learning.byte_cache import ByteCache
from tuner.learning.lessons import Lesson, store_lesson
from tuner.spec import StudySpec
from tuner.storage import Storage
from tuner.trials.store.events import record_event
from tuner.trials.store.studies import share_study
from tuner.trials.study import Study

logger = logging.getLogger(__name__)

#: Seconds between two checks of the history.
LOOK_S = 5.0
#: Maximum bytes kept from earlier lessons: mapped studies and fitted models.
CACHE_BYTES = 100 << 20


@dataclass(frozen=True)
class _Learner:
    """A study that learns, as needed by the thread."""

    study: Study
    spec: StudySpec
    #: Version of the history that its newest lesson is based on.
    version: str | None


class HistoryRefresher:
    """Learns from the history for the studies of one coordinator. Only the loop calls its methods.

    Args:
        storage: the source of truth.
        isolation: contains a study's faults when the loop receives what was learned.
        wake: makes the loop start another round.
    """

    def __init__(
        self,
        storage: Storage,
        leadership: Leadership,
        isolation: StudyIsolation,
        wake: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._leadership = leadership
        self._isolation = isolation
        self._wake = wake
        self._lock = threading.Lock()
        self._learners: dict[int, _Learner] = {}
        self._learnt: dict[int, tuple[_Learner, Lesson]] = {}
        #: Seconds that the last lesson of each study took, so that slow ones do not go first.
        self._took: dict[int, float] = {}
        self._changed = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def refresh(self, runs: Iterable[StudyRun]) -> None:
        """Manage these studies from now on, and pass on to them what was learned.

        Raises:
            FencedError: another coordinator leads.
            UnavailableError: the database cannot be reached.
        """
        wanted = {run.study.id: run for run in runs if run.learns and run.is_open}
        with self._lock:
            learnt = dict(self._learnt)
            is_new = not wanted.keys() <= self._learners.keys()
        for study_id, (learner, lesson) in learnt.items():
            run = wanted.get(study_id)
            # A study that was edited meanwhile may need something else from the history.
            if run is not None and run.study.revision == learner.study.revision:
                with self._isolation.step(run.study, "learning from history"):
                    self._hand_over(run, lesson)
        with self._lock:
            for study_id, handed in learnt.items():
                if self._learnt[study_id] is handed:
                    del self._learnt[study_id]
            self._learners = {
                study_id: _Learner(run.study, run.spec, run.lesson_version)
                for study_id, run in wanted.items()
            }
        if is_new:
            self._look_now()

    def stop(self) -> None:
        """End the thread after its current work."""
        self._stopping = True
        self._changed.set()

    def _hand_over(self, run: StudyRun, lesson: Lesson) -> None:
        is_news = lesson.text != run.lesson_text
        with self._storage.begin("store-lesson") as connection:
            self._leadership.require(connection)
            if share_study(connection, run.study.id) is None:
                return  # it was deleted just now
            now = self._storage.now(connection)
            store_lesson(connection, run.study.id, lesson, now)
            if is_news:
                kind = "history-failed" if lesson.problem else "history"
                record_event(connection, now, kind, lesson.text, study_id=run.study.id)
        run.take_lesson(
            lesson.artifact,
            lesson.version,
            lesson.text,
            belief=lesson.belief,
            early=lesson.early,
        )
        logger.info(
            "study learnt from history",
            extra={"study": run.name, "artifact": lesson.key, "took_s": round(lesson.took_s, 3)},
        )

    def _look_now(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="history-refresher", daemon=True)
            self._thread.start()
        self._changed.set()

    def _run(self) -> None:
        cache = ByteCache(CACHE_BYTES)
        while not self._stopping:
            self._changed.clear()
            try:
                self._look(cache)
            except (UnavailableError, sa.exc.DBAPIError) as exc:
                logger.info("history waits for the database", extra={"error": str(exc)[:200]})
            except Exception:
                # The thread must survive its own faults: the next check finds what is missing.
                logger.exception("looking at the history failed")
            self._changed.wait(LOOK_S)

    def _look(self, cache: ByteCache) -> None:
        from tuner.learning.learning import (
            forget_others,
            history_version,
            learn,
            lesson_version,
        )

        with self._lock:
            learners = dict(self._learners)
        forget_others(cache, learners)
        if not learners:
            return
        with self._storage.read() as connection:
            history = history_version(connection)
        # Studies waiting for their first lesson go first, those whose lessons took the least time
        # ahead.
        self._took = {key: took for key, took in self._took.items() if key in learners}
        turns = sorted(
            learners, key=lambda i: (learners[i].version is not None, self._took.get(i, 0))
        )
        for study_id in turns:
            learner = learners[study_id]
            version = lesson_version(history, learner.spec)
            if self._stopping or not self._is_due(study_id, learner, version):
                continue
            lesson = learn(self._storage, learner.study, learner.spec, version, cache)
            self._took[study_id] = lesson.took_s
            with self._lock:
                self._learnt[study_id] = (learner, lesson)
            self._wake()

    def _is_due(self, study_id: int, learner: _Learner, version: str) -> bool:
        """Whether this version was neither learned from nor given up meanwhile."""
        with self._lock:
            present = self._learners.get(study_id)
            waiting = self._learnt.get(study_id)
        if present is None or present.study.revision != learner.study.revision:
            return False
        if waiting is not None and waiting[0].study.revision == learner.study.revision:
            return waiting[1].version != version
        return present.version != version
