"""Assigns idle workers: a trial is proposed for the study furthest below its share."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

from tuner.coordinator.committing import BehindDatabaseError, commit_proposal
from tuner.coordinator.isolation import StudyIsolation
from tuner.coordinator.leadership import Leadership
from tuner.coordinator.round_state import RoundState
from tuner.coordinator.studies.memory import Memory
from tuner.coordinator.studies.study_run import StudyRun
from tuner.instruments import Instruments
from tuner.proposals.proposing import SpaceExhaustedError
from tuner.storage import Storage
from tuner.trials.fair_share import Contender, Turns
from tuner.trials.kinds import Kind, matches
from tuner.trials.states import StudyState

logger = logging.getLogger(__name__)

#: Maximum number of proposals in one round before results are looked at again.
ROUND = 8


class Scheduling:
    """Proposes trials for idle workers.

    Args:
        storage: the source of truth.
        memory: the open studies.
        isolation: keeps a study whose sampler fails from affecting the others.
        instruments: metrics of the proposals.
        on_ready: called after attempts became ready, with their number by device, image and GPUs.
        wake: makes the loop start another round.
    """

    def __init__(
        self,
        storage: Storage,
        leadership: Leadership,
        memory: Memory,
        isolation: StudyIsolation,
        instruments: Instruments,
        *,
        on_ready: Callable[[Counter[Kind]], None],
        wake: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._leadership = leadership
        self._memory = memory
        self._isolation = isolation
        self._instruments = instruments
        self._on_ready = on_ready
        self._wake = wake
        self._turns = Turns()

    def propose(self, round_state: RoundState) -> int:
        """Propose at most `ROUND` trials for idle workers; return the number created."""
        ready = Counter(round_state.offered)
        made: Counter[Kind] = Counter()
        running = [
            run
            for run in self._memory
            if round_state.studies[run.study.id].state is StudyState.RUNNING
            and self._isolation.is_due(run.study.id)
        ]
        self._turns.keep(round_state.studies)
        for kind, count in round_state.idle.items():
            fitting = [run for run in running if matches(run.study, *kind)]
            wanted = count - sum(ready[run.study.id] for run in fitting)
            # Retries of one study's trials must not keep the others from their turn.
            beside = count - sum(
                ready[run.study.id] - round_state.repeated[run.study.id] for run in fitting
            )
            while max(wanted, beside) > 0 and made.total() < ROUND:
                held = ready + round_state.leased
                able = fitting if wanted > 0 else [r for r in fitting if not held[r.study.id]]
                run = self._next_in_turn(able, held)
                if run is None:
                    break
                is_made = False
                with self._isolation.step(round_state.studies[run.study.id], "proposing"):
                    is_made = self._propose_one(run)
                if is_made:
                    self._turns.take(_contender(run))
                    ready[run.study.id] += 1
                    made[kind] += 1
                    wanted -= 1
                    beside -= 1
                else:
                    fitting.remove(run)
        if made:
            self._on_ready(made)
        for run in running:
            with self._isolation.step(round_state.studies[run.study.id], "proposing"):
                self._prepare(run)
        return made.total()

    def _next_in_turn(self, runs: list[StudyRun], held: Counter[int]) -> StudyRun | None:
        """Return the study whose turn it is, among those that may still propose."""
        able = {run.study.id: run for run in runs if run.may_start}
        found = self._turns.next(map(_contender, able.values()), held)
        return None if found is None else able[found]

    def _prepare(self, run: StudyRun) -> None:
        if self._memory.get(run.study.id) is not run:
            return  # it was set aside, or was behind the database: it has just been forgotten
        is_sought = run.awaits_space and (run.in_flight or not run.is_open)
        if run.remaining != 0 and not run.exhausted and not run.awaits_lesson and not is_sought:
            try:
                run.prefetch.prepare(run.trial_s)
            except SpaceExhaustedError as exc:
                run.exhausted = str(exc)

    def _propose_one(self, run: StudyRun) -> bool:
        """Create one trial; False if the study has none to propose in this round."""
        start = time.monotonic()
        try:
            told = run.next_retry() or run.next_default()
            proposal = told or run.prefetch.take(run.trial_s)
            if proposal is None:
                return False
            number = commit_proposal(self._storage, self._leadership, run, proposal)
        except SpaceExhaustedError as exc:
            run.exhausted = str(exc)
            self._wake()
            return False
        except BehindDatabaseError:
            self._memory.forget(run.study.id)
            self._wake()
            return False
        self._instruments.proposed(
            time.monotonic() - start,
            sampler=run.proposer.sampler,
            used=proposal.sampler,
            preparation=proposal.preparation,
        )
        logger.info("trial proposed", extra={"study": run.name, "trial": number})
        return True


def _contender(run: StudyRun) -> Contender:
    return Contender(run.study.id, run.spec.priority)
