"""Contains one study's faults and time consumption, so that the round continues with the others.

Every step that the coordinator does for a study is done inside `step`. An exception there pauses
that study with a reason and drops it from memory; until its row has changed (it was resumed, edited
or repaired) it is left alone. A study whose steps take much of the loop's time rests in between, so
that the others get most of it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping

import sqlalchemy as sa

from tuner.coordinator.leadership import Leadership
from tuner.errors import UnavailableError
from tuner.integrity.diagnosis import diagnose
from tuner.storage import Storage
from tuner.trials.faults import Step, is_own, reason_of
from tuner.trials.states import StudyState
from tuner.trials.store.setting_aside import set_aside
from tuner.trials.store.studies import exists
from tuner.trials.study import Study

logger = logging.getLogger(__name__)

#: Seconds that a study may use in a round before it has to rest: CPU time of this thread, and
#: elapsed time, which a slow disk or a distant database uses as well.
TURN_CPU_S, TURN_S = 0.25, 2.0
#: Duration of a rest, as a multiple of the time used: a study gets at most a quarter of the loop.
REST = 3.0
#: Seconds until a study whose row cannot even be marked is tried again.
RETRY_S = 30.0


class StudyIsolation:
    """Isolates the studies of one coordinator from each other. Not thread-safe.

    Args:
        storage: the source of truth.
        forget: makes the next round reload a study.
    """

    def __init__(
        self, storage: Storage, leadership: Leadership, forget: Callable[[int], None]
    ) -> None:
        self._storage = storage
        self._leadership = leadership
        self._forget = forget
        #: Studies left alone, with the values of their rows that must change before they are tried
        #: again.
        self._aside: dict[int, tuple[int, StudyState]] = {}
        self._retry_at: dict[int, float] = {}
        #: Seconds that each study has used in this round: CPU time of this thread, and elapsed
        #: time.
        self._spent: dict[int, tuple[float, float]] = {}
        self._rests_until: dict[int, float] = {}

    def served(self, studies: Mapping[int, Study]) -> dict[int, Study]:
        """Return the open studies that are not set aside."""
        moment = time.monotonic()
        for study_id in list(self._aside):
            study = studies.get(study_id)
            is_over = moment >= self._retry_at.get(study_id, float("inf"))
            if study is None or is_over or _mark(study) != self._aside[study_id]:
                del self._aside[study_id]
                self._retry_at.pop(study_id, None)
        return {key: study for key, study in studies.items() if key not in self._aside}

    def is_due(self, study_id: int) -> bool:
        """Whether a study is neither set aside nor resting."""
        rested = time.monotonic() >= self._rests_until.get(study_id, 0.0)
        return rested and study_id not in self._aside

    @contextlib.contextmanager
    def step(self, study: Study, step: Step) -> Iterator[None]:
        """Do one step for a study in the block; exceptions that concern the study end there.

        Raises:
            UnavailableError: the database cannot be reached.
            FencedError: another coordinator leads.
        """
        cpu, moment = time.thread_time(), time.monotonic()
        try:
            yield
        except Exception as exc:
            if not is_own(exc):
                raise
            self.set_aside(study, step, exc)
        finally:
            old = self._spent.get(study.id, (0.0, 0.0))
            took = time.thread_time() - cpu, time.monotonic() - moment
            self._spent[study.id] = (old[0] + took[0], old[1] + took[1])

    def set_aside(self, study: Study, step: Step, exc: BaseException) -> None:
        """Pause a study after an exception in a step, and leave it alone until its row changes."""
        name = study.full_name
        if self._is_deleted(study.id):
            # Its user has just deleted it: the step saw only half of it.
            self._forget(study.id)
            return
        logger.error("study set aside", extra={"study": name, "step": step}, exc_info=exc)
        self._forget(study.id)
        self._aside[study.id] = (study.revision, StudyState.PAUSED)
        found = diagnose(self._storage, study.id)
        try:
            with self._storage.begin("set-state") as connection:
                self._leadership.require(connection)
                now = self._storage.now(connection)
                set_aside(connection, study.id, reason_of(name, step, exc, found), now)
        except Exception as failed:
            if not is_own(failed):
                self._aside.pop(study.id)
                raise
            logger.exception("study cannot be paused", extra={"study": name})
            self._aside[study.id] = _mark(study)
            self._retry_at[study.id] = time.monotonic() + RETRY_S

    def _is_deleted(self, study_id: int) -> bool:
        try:
            with self._storage.read() as connection:
                return not exists(connection, study_id)
        except (UnavailableError, sa.exc.DBAPIError):
            return False  # its row is what cannot be read

    def end_round(self, *, others: bool) -> None:
        """Make a study that took long rest, if others need the time."""
        moment = time.monotonic()
        for study_id, (cpu, took) in self._spent.items():
            if others and (cpu > TURN_CPU_S or took > TURN_S):
                rest = REST * (took if took > TURN_S else cpu)
                self._rests_until[study_id] = moment + rest
                logger.info("study rests", extra={"study_id": study_id, "took_s": round(took, 2)})
        self._spent.clear()

    def clear(self) -> None:
        """Forget what was set aside: another coordinator has led meanwhile."""
        self._aside.clear()
        self._retry_at.clear()
        self._rests_until.clear()


def _mark(study: Study) -> tuple[int, StudyState]:
    return study.revision, study.state
