"""Proposals prepared ahead, so that a free worker never waits for a fit.

A proposal that has been computed but not yet given out lives in memory only. It is used fresh when
it can be had within the waiting time, stale when it cannot. When there is none at all the worker
stays idle for a small share of what a trial lasts, while other studies are served; only then the
cheap (random) choice is taken. The trial records which of these it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeoutError

from tuner.proposals.in_memory_study import InMemoryStudy
from tuner.proposals.proposal import Proposal
from tuner.proposals.proposing import Proposer, Question

#: The longest that a free worker waits for the sampler, seconds.
LONGEST_WAIT_S = 0.2
#: Waiting may cost this share of what a trial lasts, divided by the trials that run: with one
#: worker a third of its time at most, and with many no more for all of them together. A proposal
#: that does not know the last results is worth less than that; a study of no-op trials takes it.
WAITING_SHARE = 0.5
#: With nothing ready at all, waiting may take so many times what a proposal usually takes.
PATIENCE = 3.0
#: A worker may be idle for this share of what a trial lasts, between these bounds in seconds,
#: before a random choice is taken: of a real training that choice wastes the whole.
IDLE_SHARE, LEAST_IDLE_S, LONGEST_IDLE_S = 0.05, 0.5, 5.0
#: The same where no trial has ended yet.
FIRST_IDLE_S = 2.0


class Prefetch:
    """Keeps the next proposal of one study ready. Used by the coordinator's thread alone."""

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
        #: A random choice that is being made.
        self._chance: Future[Proposal] | None = None
        self._ready: Proposal | None = None
        #: Results have come that the in-memory study does not hold: a proposal that is begun now
        #: would not know them, and while one is being made they wait.
        self.results_wait = False
        #: Moving average of what one proposal costs, seconds.
        self.ask_s = 0.0
        #: Since when a worker waits for a proposal that is not ready.
        self._idle_since: float | None = None

    def take(self, trial_s: float | None) -> Proposal | None:
        """Return the next proposal; None: it is being made, `on_ready` will tell.

        Args:
            trial_s: how long a trial of this study lasts, if that is known.

        Raises:
            SpaceExhaustedError: nothing is left to propose.
        """
        self._collect(0.0)
        was_fresh = self._is_fresh()
        deadline = time.monotonic() + self._waiting_s(trial_s)
        while not self._is_fresh():
            # What is being made was perhaps asked for before the last result was told.
            self._start()
            left = deadline - time.monotonic()
            if left <= 0.0 or self._running is None:
                break
            self._collect(left)
        if self._ready is None:
            # A random choice is worse than the wait for a sampler that is nearly done.
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
        """Return a random choice; None: even that takes long, as in a space of 10 000 parameters.

        It is made beside the loop, which so waits no longer for this study than for any other.
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
        # Another trial may have been proposed since it was asked for.
        return found if self._proposer.is_new(found) else None

    def prepare(self, trial_s: float | None) -> None:
        """Start computing the next proposal if waiting for it later would cost too much."""
        # What it costs is not known before the first one, as after every restart.
        costly = self.ask_s == 0.0 or self.ask_s > self._waiting_s(trial_s)
        self._collect(0.0)
        if costly and not self._is_fresh():
            self._start()

    def settle(self, trial_s: float | None) -> None:
        """Wait for a sampler that is nearly done, as a free worker would: results wait for it."""
        if self._running is not None:
            wait([self._running], timeout=self._waiting_s(trial_s))

    @property
    def is_busy(self) -> bool:
        """Whether a sampler is at work: what is told meanwhile makes its proposal a stale one."""
        return self._running is not None and not self._running.done()

    def close(self) -> None:
        """End the thread once its proposal is done."""
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
        """Whether a worker may wait longer for the sampler that is at work."""
        moment = time.monotonic()
        if self._idle_since is None:
            self._idle_since = moment
        longest = FIRST_IDLE_S
        if trial_s is not None:
            longest = min(max(LEAST_IDLE_S, IDLE_SHARE * trial_s), LONGEST_IDLE_S)
        return moment - self._idle_since < longest

    def _start(self) -> None:
        if self._running is None and not self.results_wait:
            # Asked in this thread, which alone changes what is asked about.
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
