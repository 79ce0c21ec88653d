"""Expired leases. An outage of the service is not the workers' fault: it suspends expiry."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping, Sequence

from tuner.coordinator.isolation import StudyIsolation
from tuner.coordinator.leadership import Leadership, is_alive
from tuner.instruments import Instruments
from tuner.protocol import LEASE_S
from tuner.storage import Storage
from tuner.trials.attempt import Attempt
from tuner.trials.ending.attempts import Ending, end_attempt
from tuner.trials.faults import is_own
from tuner.trials.specs import read_spec
from tuner.trials.states import AttemptState, TrialState
from tuner.trials.store.attempts import read_attempt, set_attempt
from tuner.trials.store.claims.leases import LeasedAttempt, leased_on, overdue_attempts
from tuner.trials.store.studies import hold_study
from tuner.trials.store.workers import mark_gone
from tuner.trials.study import Study

logger = logging.getLogger(__name__)

#: Seconds without a round after which beats may have been missed.
STALL_S = 5.0


class Expiry:
    """Finds attempts whose lease has expired and offers their trials to other workers."""

    def __init__(
        self,
        storage: Storage,
        leadership: Leadership,
        instruments: Instruments,
        isolation: StudyIsolation,
    ) -> None:
        self._storage = storage
        self._isolation = isolation
        self._instruments = instruments
        self._leadership = leadership
        self._resume_at = time.monotonic() + LEASE_S
        self._last: tuple[float, float] | None = None

    def suspend(self) -> None:
        """Let no lease expire for one lease's duration: after a start, a new lead or an outage."""
        self._resume_at = time.monotonic() + LEASE_S
        self._last = None

    def expire(self, studies: Mapping[int, Study]) -> int:
        """End attempts with an expired lease as lost; return their number.

        Args:
            studies: the open ones by id.
        """
        with self._storage.read() as connection:
            now = self._storage.now(connection)
            if self._is_suspended(now):
                return 0
            overdue = overdue_attempts(connection, now)
        return self._expire_all(overdue, studies, now)

    def void_dead_local(self, studies: Mapping[int, Study]) -> int:
        """End the attempts of dead processes of this host immediately.

        Only for a start that holds the home's lock: no worker of this home can be starting.
        """
        with self._storage.read() as connection:
            now = self._storage.now(connection)
            local = leased_on(connection, socket.gethostname())
        dead = [a for a in local if not (isinstance(a.pid, int) and is_alive(a.pid))]
        return self._expire_all(dead, studies, now, even_if_valid=True)

    def _expire_all(
        self,
        attempts: Sequence[LeasedAttempt],
        studies: Mapping[int, Study],
        now: float,
        *,
        even_if_valid: bool = False,
    ) -> int:
        ended = 0
        for attempt in attempts:
            study = studies.get(attempt.study_id)
            if study is None:
                ended += self._expire_closed(attempt, now, even_if_valid=even_if_valid)
            elif self._isolation.is_due(study.id):
                with self._isolation.step(study, "ending its lost attempts"):
                    ended += self._expire(
                        attempt.id, _allowed_retries, now, even_if_valid=even_if_valid
                    )
        return ended

    def _expire_closed(
        self,
        attempt: LeasedAttempt,
        now: float,
        *,
        even_if_valid: bool,
    ) -> bool:
        """End an attempt of an ended study: nobody waits for it, and the study cannot be paused."""
        try:
            return self._expire(attempt.id, lambda _: 0, now, even_if_valid=even_if_valid)
        except Exception as exc:
            if not is_own(exc):
                raise
            logger.exception("attempt not ended in order", extra={"attempt": attempt.id})
        with self._storage.begin("expire") as connection:
            self._leadership.require(connection)
            set_attempt(connection, attempt.id, state=AttemptState.LOST, finished=now)
        return True

    def _is_suspended(self, now: float) -> bool:
        moment = time.monotonic()
        last, self._last = self._last, (moment, now)
        if last is not None:
            waited, passed = moment - last[0], now - last[1]
            if waited > STALL_S or abs(passed - waited) > STALL_S:
                logger.warning(
                    "expiry suspended for one lease",
                    extra={"stalled_s": round(waited, 1), "clock_s": round(passed, 1)},
                )
                self._resume_at = moment + LEASE_S
        return moment < self._resume_at

    def _expire(
        self,
        attempt_id: str,
        retries: Callable[[Study], int],
        now: float,
        *,
        even_if_valid: bool = False,
    ) -> bool:
        with self._storage.begin("expire") as connection:
            self._leadership.require(connection)
            study = hold_study(connection, attempt_id)
            if study is None:
                return False  # it was deleted just now
            attempt = read_attempt(connection, attempt_id, hold=True)
            if attempt is None or attempt.state is not AttemptState.LEASED:
                return False
            if not even_if_valid and not _is_over(attempt, now):
                return False
            ending = Ending(
                state=TrialState.FAIL,
                cause="lost",
                error=f"worker {attempt.worker} on {attempt.host} gave no sign of life",
                attempt_state=AttemptState.LOST,
            )
            decided = end_attempt(connection, study, attempt, ending, now, retries=retries(study))
            logger.warning("attempt lost", extra={"attempt": attempt.id, "worker": attempt.worker})
            mark_gone(connection, attempt)
        self._instruments.lost_lease()
        if decided is None:
            self._instruments.retried("lost")
        return True


def _allowed_retries(study: Study) -> int:
    """Return how often a trial of a study may be retried.

    Read from its row, because the study may not have been loaded yet.
    """
    return read_spec(study.spec_json).trial.retries


def _is_over(attempt: Attempt, now: float) -> bool:
    if attempt.lease_until is None:
        raise ValueError(f"attempt {attempt.id} is leased, but not until when")
    return attempt.lease_until < now
