"""Prepares proposals in advance, so that a free worker never waits for a fit.

A proposal that has been computed but not yet handed out exists in memory only. It is used fresh if
available within the waiting time, or stale otherwise. If there is none at all, the worker stays
idle for a small fraction of a trial's duration, while other studies are served; only then is the
cheap (random) choice taken. The trial records which of these it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeoutError

from tuner.proposals.in_memory_study import InMemoryStudy
from tuner.proposals.proposal import Proposal
from tuner.proposals.proposing import Proposer, Question

#: Maximum seconds that a free worker waits for the sampler.
LONGEST_WAIT_S = 0.2
#: Waiting may cost this fraction of a trial's duration, divided by the number of running trials:
#: with one worker at most a third of its time, and with many no more for all of them together. A
#: proposal that does not know the latest results is worth less than that; a study of no-op trials
#: accepts it.
WAITING_SHARE = 0.5
#: Maximum wait if nothing is ready, as a multiple of the usual time for a proposal.
PATIENCE = 3.0
#: A worker may be idle for this fraction of a trial's duration, between these bounds in seconds,
#: before a random choice is taken, which would waste a real training completely.
IDLE_SHARE, LEAST_IDLE_S, LONGEST_IDLE_S = 0.05, 0.5, 5.0
#: The same in seconds if no trial has ended yet.
FIRST_IDLE_S = 2.0


class Prefetch:
    """Keeps the next proposal of one study ready. Used only by the coordinator's thread."""

    def __init__(
        self,
        in_memory: InMemoryStudy,
        proposer: Proposer,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_ready = on_ready
        self._in_memory = in_memory
        self._proposer = proposer
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="proposer")
        self._running: Future[Proposal] | None = None
        self._chance_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chance")
        #: A random choice being made.
        self._chance: Future[Proposal] | None = None
        self._ready: Proposal | None = None
        #: Results have arrived that the in-memory study does not contain: a proposal begun now
        #: would not know them, and while one is being made they wait.
        self.results_wait = False
        #: Moving average of the time for one proposal, in seconds.
        self.ask_s = 0.0
        #: Since when a worker has waited for a proposal that is not ready.
        self._idle_since: float | None = None

    def take(self, trial_s: float | None) -> Proposal | None:
        """Return the next proposal; None: it is being made, and `on_ready` follows.

        Args:
            trial_s: duration of a trial of this study, if known.

        Raises:
            SpaceExhaustedError: nothing is left to propose.
        """
        self._collect(0.0)
        was_fresh = self._is_fresh()
        deadline = time.monotonic() + self._waiting_s(trial_s)
        while not self._is_fresh():
            # The one being made may have been requested before the last result was told.
            self._start()
            left = deadline - time.monotonic()
            if left <= 0.0 or self._running is None:
                break
            self._collect(left)
        if self._ready is None:
            # A random choice is worse than waiting for a sampler that is nearly finished.
            self._collect(min(LONGEST_WAIT_S, PATIENCE * self.ask_s))
        if self._ready is None and self._may_idle(trial_s):
            return None
        self._idle_since = None
        chosen, self._ready = self._ready, None
        if chosen is None or not self._proposer.is_new(chosen):
            random = self._by_chance()
            return None if random is None else random.prepared("missed")
        if was_fresh:
            return chosen.prepared("ready")
        is_fresh = chosen.told == self._in_memory.told
        return chosen.prepared("waited" if is_fresh else "stale")

    def _by_chance(self) -> Proposal | None:
        """Return a random choice; None if even that takes long, as in a space of 10 000 parameters.

        It is made outside the loop, so that this study delays the loop no more than any other.
        """
        if self._chance is None:
            self._chance = self._chance_thread.submit(self._proposer.cheap, self._question())
            self._chance.add_done_callback(lambda _: self._on_ready())
        try:
            found = self._chance.result(timeout=LONGEST_WAIT_S)
        except FutureTimeoutError:
            return None
        except BaseException:
            self._chance = None
            raise
        self._chance = None
        # Another trial may have been proposed since it was requested.
        return found if self._proposer.is_new(found) else None

    def prepare(self, trial_s: float | None) -> None:
        """Start computing the next proposal if waiting for it later would cost too much."""
        # The cost is unknown before the first proposal, also after every restart.
        costly = self.ask_s == 0.0 or self.ask_s > self._waiting_s(trial_s)
        self._collect(0.0)
        if costly and not self._is_fresh():
            self._start()

    def settle(self, trial_s: float | None) -> None:
        """Wait for a sampler that is nearly finished, like a free worker: results wait for it."""
        if self._running is not None:
            wait([self._running], timeout=self._waiting_s(trial_s))

    @property
    def is_busy(self) -> bool:
        """Whether a sampler is at work: results told meanwhile make its proposal stale."""
        return self._running is not None and not self._running.done()

    def close(self) -> None:
        """End the thread once its proposal is finished."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._chance_thread.shutdown(wait=False, cancel_futures=True)

    def _is_fresh(self) -> bool:
        return (
            self._ready is not None
            and self._ready.told == self._in_memory.told
            and self._ready.artifact == self._proposer.artifact_key
            and self._proposer.is_new(self._ready)
        )

    def _waiting_s(self, trial_s: float | None) -> float:
        if trial_s is None:
            return LONGEST_WAIT_S
        return min(LONGEST_WAIT_S, WAITING_SHARE * trial_s / max(len(self._in_memory.pending()), 1))

    def _may_idle(self, trial_s: float | None) -> bool:
        """Whether a worker may wait longer for the sampler at work."""
        moment = time.monotonic()
        if self._idle_since is None:
            self._idle_since = moment
        longest = FIRST_IDLE_S
        if trial_s is not None:
            longest = min(max(LEAST_IDLE_S, IDLE_SHARE * trial_s), LONGEST_IDLE_S)
        return moment - self._idle_since < longest

    def _start(self) -> None:
        if self._running is None and not self.results_wait:
            # Created in this thread, the only one that changes the data it refers to.
            self._running = self._thread.submit(self._compute, self._question())
            self._running.add_done_callback(lambda _: self._on_ready())

    def _question(self) -> Question:
        return self._proposer.question(self._in_memory.snapshot())

    def _compute(self, question: Question) -> Proposal:
        start = time.monotonic()
        proposal = self._proposer.answer(question)
        took = time.monotonic() - start
        self.ask_s = took if self.ask_s == 0.0 else 0.8 * self.ask_s + 0.2 * took
        return proposal

    def _collect(self, wait_s: float) -> None:
        if self._running is None:
            return
        try:
            self._ready = self._running.result(timeout=wait_s)
        except FutureTimeoutError:
            return
        except BaseException:
            self._running = None
            raise
        self._running = None
