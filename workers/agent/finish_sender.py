"""A worker's communication with the server about one attempt: beats, repeated calls, the finish."""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import Any

from tuner.errors import UnavailableError
from tuner.protocol import Assignment, Beat, Finish, Finished, Reply, dumps
from workers.agent.api import RefusedError
from workers.agent.context import WorkerContext
from workers.agent.outbox import Backoff, Outbox

logger = logging.getLogger(__name__)

#: Seconds for which a result is offered to a silent server after a signal to leave.
LAST_OFFER_S = 13.0


class FinishSender:
    """Extends the lease of one attempt and delivers its result. Mutable: it keeps time.

    Every method that calls the server raises `FencedError` if the attempt is no longer this
    worker's.
    """

    def __init__(self, post: WorkerContext, assignment: Assignment, token: str) -> None:
        self.outbox = Outbox(post.api, assignment.attempt, token)
        #: When the next beat is due (monotonic time).
        self.beat_at = time.monotonic() + post.beat_s
        self._post = post
        self._attempt = assignment.attempt
        self._token = token
        self._facts: dict[str, Any] = {"study": assignment.study, "trial": assignment.trial}
        self._facts["attempt"] = assignment.attempt
        self._backoff = Backoff()

    def beat_if_due(self) -> Reply | None:
        """Beat if it is time; None if it is not, or nobody answers."""
        now = time.monotonic()
        if now < self.beat_at:
            return None
        self.beat_at = now + self._post.beat_s
        beat = Beat(
            worker=self._post.info,
            state="stopping" if self._post.leave.requested else "busy",
            attempt=self._attempt,
            token=self._token,
        )
        try:
            return self._post.api.beat(beat)
        except UnavailableError:
            self.beat_at = time.monotonic() + 1.0
        except RefusedError as exc:
            logger.error("beat refused", extra={**self._facts, "reason": str(exc)})
        return None

    def retry(self) -> bool:
        """Wait before a call is repeated; False if this worker must leave without an answer."""
        leave = self._post.leave
        leave.sleep(self._backoff.next_s())
        self.beat_if_due()
        asked_at = leave.requested_at
        is_late = asked_at is not None and time.monotonic() > asked_at + LAST_OFFER_S
        if leave.forced or is_late:
            logger.error("the server does not answer, the worker leaves", extra=self._facts)
            return False
        return True

    def hand_over(self, finish: Finish) -> Finished | None:
        """Offer the finish, with the rest of the outbox, until the server answers.

        All repetitions have the same body. If the server rejects the result, it is replaced, once,
        by a failure that says so. None if this worker had to leave before.
        """
        try:
            return self._hand_over(finish)
        except RefusedError as exc:
            logger.error("result refused", extra={**self._facts, "reason": str(exc)})
            self.outbox.drop()
            return self._hand_over(_refused(finish, str(exc)))

    def _hand_over(self, finish: Finish) -> Finished | None:
        while not self.outbox.fits_one_message():
            if self.outbox.post(time.monotonic()) is None and not self.retry():
                return None
        outbox = self.outbox
        body = dumps(dataclasses.replace(finish, points=outbox.points, found=outbox.found))
        while True:
            try:
                return self._post.api.finish(self._attempt, body)
            except UnavailableError as exc:
                logger.warning("finish not answered", extra={**self._facts, "reason": str(exc)})
            if not self.retry():
                return None


def _refused(finish: Finish, reason: str) -> Finish:
    """Return the failure that replaces a finish rejected by the server."""
    was = finish.outcome if finish.cause is None else f"{finish.outcome}, {finish.cause}"
    values = f", values {finish.values}"[:200] if finish.values else ""
    return Finish(
        token=finish.token,
        outcome="failed",
        cause="error",
        error=f"the server refused what this trial handed in ({was}{values}): {reason}",
        duration_s=finish.duration_s,
        exit_status=finish.exit_status,
    )
