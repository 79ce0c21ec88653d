"""The loop of a worker: claim, run, finish, claim again; without work, wait for a wake-up."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

import redis

from tuner.errors import FencedError, UnavailableError
from tuner.protocol import Assignment, Beat, Claim
from workers.agent.announcing import say_goodbye
from workers.agent.api import RefusedError, VersionError
from workers.agent.attempt import RunningAttempt
from workers.agent.context import WorkerContext
from workers.agent.health import WorkerHealth
from workers.agent.outbox import Backoff
from workers.host.shutdown import ShutdownNow
from workers.stint import Stint
from workers.wake import Listener

logger = logging.getLogger(__name__)

#: Maximum seconds that the server may delay its answer right after work: the next trial is often
#: imminent.
CLAIM_WAIT_S = 0.3
#: Seconds between two claims without Redis.
POLL_S = 2.0
#: Seconds after which an idle worker claims without a wake-up, in case one was lost.
IDLE_CLAIM_S = 30.0
#: Seconds between two searches for the code of old studies.
CLEAR_EVERY_S = 86400.0
#: Seconds between two looks of an out-of-service worker at its self-test.
REST_S = 0.2
#: Maximum seconds that a worker waits for its name if another process has it, and seconds between
#: its requests: by then the server has given up a process that has died (`UNHEARD_S`).
NAME_WAIT_S = 20.0
NAME_LOOK_S = 2.0


class Worker:
    """Runs attempts until it is asked to leave. Mutable: Redis may come and go.

    Args:
        redis_url: source of wake-ups; None: poll the server.
        tell: called with the worker's state, "idle" or "busy", when it changes.
        stint: how long it stays if nobody asks it to leave.
    """

    def __init__(
        self,
        post: WorkerContext,
        *,
        redis_url: str | None,
        tell: Callable[[str], None],
        stint: Stint,
    ) -> None:
        self._post = post
        self._stint = stint
        self._redis_url = redis_url
        self._tell = tell
        self._listener: Listener | None = None
        self._redis_was_down = False
        self._beat_at = 0.0
        self._claim_at = 0.0
        self._clear_at = 0.0
        self._backoff = Backoff()
        self._refused_since: float | None = None
        self._health = WorkerHealth(post)

    def run(self) -> None:
        """Work until asked to leave, by a signal or by the server.

        Raises:
            TokenError: the server does not accept this worker's token.
            VersionError: the server does not work with workers of this release.
            ClaimRefusedError: the server rejects what this worker reports about itself.
        """
        self._tell("idle")
        try:
            while not self._is_over():
                self._drain()
                if not self._is_over():
                    self._wait()
        except ShutdownNow:
            logger.info("worker leaves")
        else:
            if reason := self._stint.over:
                logger.info("worker leaves", extra={"reason": reason})
        finally:
            self._health.close()
            if self._listener is not None:
                self._listener.leave()
            say_goodbye(self._post.api, self._post.info)

    def _is_over(self) -> bool:
        """Whether it must take no more attempts: it was asked to leave, or has done enough."""
        return self._post.is_leaving or self._stint.over != ""

    def _drain(self) -> None:
        """Run attempts as long as the server has some."""
        while not self._is_over() and not self._is_unfit():
            token = os.urandom(16).hex()
            assignment = self._claim(token)
            if assignment is None:
                break
            self._tell("busy")
            attempt = RunningAttempt(self._post, assignment, token)
            attempt.run()
            self._stint.note_attempt()
            self._tell("idle")
            if attempt.cause is not None:
                # The server may first want to know whether this worker is sound.
                self._beat_at = 0.0
        self._claim_at = time.monotonic() + IDLE_CLAIM_S

    def _claim(self, token: str) -> Assignment | None:
        """Return the answer to a claim, repeated with the same token until there is one."""
        claim = Claim(token=token, worker=self._post.info, wait_s=CLAIM_WAIT_S)
        while not self._post.is_leaving:
            try:
                assignment = self._post.api.claim(claim)
            except UnavailableError as exc:
                self._sleep_after(exc)
            except VersionError as exc:
                self._wait_for_name(exc)
            else:
                self._backoff.reset()
                self._refused_since = None
                return assignment
        return None

    def _wait_for_name(self, exc: VersionError) -> None:
        """Wait until this worker is admitted: a process with its name may have died just now.

        Raises:
            VersionError: the wait was long enough.
        """
        now = time.monotonic()
        if self._refused_since is None:
            self._refused_since = now
            logger.warning("worker not let in", extra={"reason": str(exc), "wait_s": NAME_WAIT_S})
        if now >= self._refused_since + NAME_WAIT_S:
            raise exc
        self._post.leave.sleep(NAME_LOOK_S)

    def _sleep_after(self, exc: UnavailableError) -> None:
        wait_s = self._backoff.next_s()
        logger.warning("server not reached", extra={"reason": str(exc), "retry_s": wait_s})
        self._post.leave.sleep(wait_s)

    def _wait(self) -> None:
        """Wait until there may be work, beating meanwhile."""
        self._clear_code()
        while not self._is_over():
            was_unfit = self._is_unfit()
            self._beat_if_due()
            if self._post.is_leaving:
                return
            if self._is_unfit():
                # Take no wake-up from workers that can use it.
                self._post.leave.sleep(min(REST_S, self._beat_at - time.monotonic()))
            elif was_unfit or self._woken() or time.monotonic() >= self._claim_at:
                return

    def _clear_code(self) -> None:
        """Once a day, remove code that no trial of this host has used for a month."""
        if time.monotonic() < self._clear_at:
            return
        self._clear_at = time.monotonic() + CLEAR_EVERY_S
        if removed := self._post.code.clear(time.time()):
            logger.info("unused code removed", extra={"snapshots": removed})

    def _is_unfit(self) -> bool:
        """Whether this worker is out of service; reports changes to the server immediately."""
        if self._health.look():
            self._beat_at = 0.0
        return self._health.is_out

    def _woken(self) -> bool:
        with self._post.leave.interrupting():
            try:
                if self._redis_url is not None:
                    # At the latest until the next beat is due.
                    left_s = self._beat_at - time.monotonic()
                    return self._open_listener(self._redis_url).wait(left_s)
            except (redis.RedisError, OSError) as exc:
                self._note_redis_down(exc)
            self._post.leave.sleep(POLL_S)
        self._look_for_redis()
        return True

    def _look_for_redis(self) -> None:
        """Ask the server for the URL of Redis: a restarted service may have a new private one."""
        try:
            url = self._post.api.config().redis_url
        except UnavailableError:
            return
        if url != self._redis_url:
            self._redis_url = url
            self._listener = None

    def _open_listener(self, url: str) -> Listener:
        if self._listener is None:
            info = self._post.info
            self._listener = Listener(
                url, device=info.device, devices=info.gpus, name=f"{info.name}.{info.pid}"
            )
        if self._redis_was_down:
            self._listener.connection.ping()
            logger.info("redis is back")
            self._redis_was_down = False
        return self._listener

    def _note_redis_down(self, exc: Exception) -> None:
        if not self._redis_was_down:
            logger.warning(
                "redis not reached, asking the server instead",
                extra={"reason": str(exc), "every_s": POLL_S},
            )
        self._redis_was_down = True

    def _beat_if_due(self) -> None:
        now = time.monotonic()
        if now < self._beat_at:
            return
        self._beat_at = now + self._post.beat_s
        try:
            beat = Beat(worker=self._post.info, state="idle", self_test=self._health.finding)
            reply = self._post.api.beat(beat)
        except (UnavailableError, FencedError, RefusedError) as exc:
            logger.warning("beat not answered", extra={"reason": str(exc)})
            return
        self._health.apply_reply(reply)
        self._post.apply_reply(reply)
