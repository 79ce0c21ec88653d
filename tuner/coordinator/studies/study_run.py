"""The coordinator's memory of one study; it can be rebuilt from the Storage at any time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tuner.curves.belief import CurveBelief
from tuner.history.learning_curves.early import EarlyRanks
from tuner.proposals.artifact import Artifact
from tuner.proposals.failure_streaks import FailureStreaks
from tuner.proposals.history_users import learns
from tuner.proposals.in_memory_study import InMemoryStudy
from tuner.proposals.prefetch import Prefetch
from tuner.proposals.proposal import DEFAULTS, RETRY, Choice, Proposal
from tuner.proposals.proposing import Proposer
from tuner.proposals.pruners.by_history import HistoryPruner
from tuner.proposals.pruners.first_rung import FirstRung
from tuner.proposals.pruners.halving import HalvingPruner
from tuner.proposals.pruners.making import make_pruner
from tuner.registry import used_packages
from tuner.samplers.marks import OVERDUE
from tuner.spec import StudySpec
from tuner.trials.states import TrialState
from tuner.trials.study import Study
from tuner.trials.trial import Trial

#: Maximum seconds that a study waits for its first lesson: a history of a thousand studies takes a
#: third of it. If a fault prevents the lesson, the study does not wait.
LESSON_WAIT_S = 30.0


class StudyRun:
    """One study as seen by the coordinator, with counters that need no query.

    Attributes:
        study: as it was when loaded; `revision` shows whether it is still current.
        used: number of ended trials that count towards the budget.
        in_flight: number of proposed trials whose outcome has not been told.
    """

    def __init__(
        self, study: Study, spec: StudySpec, on_ready: Callable[[], None] = lambda: None
    ) -> None:
        self.study = study
        self.spec = spec
        self.name = study.full_name
        goals = [metric.goal for metric in spec.metrics]
        self._pruner = make_pruner(spec.pruner.name, spec.pruner.options)
        if isinstance(self._pruner, HistoryPruner | HalvingPruner):
            self._pruner.constants = spec.space.fixed_values
        #: Whether something has changed since the first rung was last checked.
        self._rung_is_due = isinstance(self._pruner, HalvingPruner)
        all_curves = spec.pruner.name != "none"
        self.in_memory = InMemoryStudy(self.name, goals, self._pruner, all_curves=all_curves)
        self.proposer = Proposer(
            spec.space,
            spec.sampler.name,
            study.seed % 2**32,
            list(spec.start_with),
            spec.sampler.options,
            spec.metrics[0].name if len(spec.metrics) == 1 else "",
            spec.trial.timeout,
            is_growing=spec.finds_space,
            packages=used_packages(spec.sampler.name, spec.pruner.name),
        )
        self.prefetch = Prefetch(self.in_memory, self.proposer, on_ready)
        #: The attempt of each trial that reported last.
        self._reporting: dict[int, int] = {}
        #: Whether its sampler or its pruner uses the history.
        self.learns = learns(spec)
        #: Version of the history that its newest lesson is based on, and the lesson's text; None:
        #: no lesson.
        self.lesson_version: str | None = None
        self.lesson_text = ""
        self._patience_until = time.monotonic() + LESSON_WAIT_S
        self.used = 0
        self.in_flight = 0
        self.trial_s: float | None = None
        self.best: float | None = None
        self.since_best = 0
        #: Failed trials to be tried again, with their parameters.
        self.again: list[tuple[int, dict[str, Any]]] = []
        self._maximize = goals[0] == "maximize"
        self.streaks = FailureStreaks(self.name)
        #: Why the sampler has nothing left to propose, once that is the case.
        self.exhausted = ""
        #: A trial of a hypermodel with a result but without any parameters found.
        self._found_nothing: int | None = None

    @property
    def remaining(self) -> int | None:
        """Number of trials that the budget still allows to be proposed; None without a limit."""
        if self.spec.budget.trials is None:
            return None
        return max(0, self.spec.budget.trials - self.used - self.in_flight)

    @property
    def nothing_left(self) -> str:
        """Why no further trial can be proposed, not even a failed one to be tried again."""
        if self.again:
            return ""
        if self.awaits_space and self._found_nothing is not None:
            return self._no_parameters()
        return self.exhausted

    def _no_parameters(self) -> str:
        given = ", ".join(self.spec.space.names)
        which = f"none of the parameters that search_space gives ({given})" if given else ""
        where = f" in the hypermodel {self.spec.hypermodel}" if self.spec.hypermodel else ""
        return (
            f"trial {self._found_nothing} met {which or 'no parameter'}{where}: "
            "every trial would be the same"
        )

    @property
    def awaits_space(self) -> bool:
        """Whether none of its parameters has been encountered yet: one trial runs to find them.

        A client of an external study need not report the parameters that the user has declared.
        """
        is_given = self.spec.is_external and len(self.spec.space) > 0
        return self.spec.finds_space and not self.spec.found and not is_given

    @property
    def is_open(self) -> bool:
        """Whether there is something to choose; otherwise a hypermodel's own defaults are tried."""
        return not self.awaits_space or len(self.spec.space) > 0

    @property
    def may_start(self) -> bool:
        """Whether it may propose a trial now."""
        if self.remaining == 0 or self.free_slots == 0 or self.nothing_left:
            return False
        if self.awaits_space and self.in_flight:
            return False
        return not (self.awaits_lesson and self.is_open)

    @property
    def known(self) -> dict[str, int]:
        """The record of a growing space for a proposal; empty if the space does not grow."""
        if not self.spec.finds_space:
            return {}
        return {"known": len(self.spec.space), "revision": self.study.revision}

    @property
    def awaits_lesson(self) -> bool:
        """Whether it should wait a little for its lesson from the history."""
        is_early = self.learns and self.lesson_version is None
        return is_early and time.monotonic() < self._patience_until

    def take_lesson(
        self,
        artifact: Artifact | None,
        version: str,
        text: str,
        *,
        belief: CurveBelief | None = None,
        early: EarlyRanks | None = None,
    ) -> None:
        """From now on, propose with what was learned from the history, and prune by its curves."""
        self.proposer.artifact = artifact
        if isinstance(self._pruner, HistoryPruner):
            self._pruner.take(belief)
        if isinstance(self._pruner, HalvingPruner):
            self._pruner.early = early
            self._rung_is_due = True
        self.lesson_version = version
        self.lesson_text = text

    @property
    def rung_is_open(self) -> bool:
        """Whether the pruner's first rung is to be checked; the history is considered first."""
        return self._rung_is_due and not self.awaits_lesson

    @property
    def first_rung(self) -> FirstRung | None:
        """Where its pruner judges first; None: it has no rungs, or none yet."""
        return self._pruner.rung if isinstance(self._pruner, HalvingPruner) else None

    def decide_rung(self) -> FirstRung | None:
        """Return the decision on the first rung to be stored; None: no change."""
        if not isinstance(self._pruner, HalvingPruner):
            return None
        return self._pruner.decide(self.in_memory.study)

    def take_rung(self, rung: FirstRung | None) -> None:
        """Judge from this first rung on, now that it is stored; None: no change."""
        self._rung_is_due = False
        if rung is not None and isinstance(self._pruner, HalvingPruner):
            self._pruner.take(rung)

    def load_rung(self, stored: Mapping[str, Any] | None) -> None:
        """Use the stored first rung, unless the spec has specified another one since."""
        if stored is None or not isinstance(self._pruner, HalvingPruner):
            return
        rung, given = FirstRung(**stored), self._pruner.rung
        if (
            (rung.kind != "given")
            if given is None
            else (rung.step, rung.kind) == (given.step, "given")
        ):
            self._pruner.take(rung)

    @property
    def free_slots(self) -> int | None:
        """Number of trials that `parallel` still allows to start; None without a limit."""
        if self.spec.parallel is None:
            return None
        return max(0, self.spec.parallel - self.in_flight)

    def judge(self, number: int, attempt: int, points: Sequence[tuple[int, float]]) -> bool:
        """Enter reports of a running trial; return whether the pruner stops it.

        Args:
            attempt: number of the reporting attempt. Reports of an earlier attempt are removed from
                this one's first step on, because a pruner looks at the last step that exists.
            points: steps and values, in the order of the steps.
        """
        if points and attempt > self._reporting.get(number, 0):
            self._reporting[number] = attempt
            self.in_memory.take_back(number, points[0][0])
        # Every point is entered, even after one that already decides.
        verdicts = [self.in_memory.report(number, step, value) for step, value in points]
        return any(verdicts)

    def next_retry(self) -> Proposal | None:
        """Return the configuration of the next failed trial that the user wants to try again.

        It remains the next one until it is `proposed`: its commit may fail.
        """
        if not self.again:
            return None
        number, params = self.again[0]
        return self._told(Choice(params=params, sampler=RETRY, seed=0), retry_of=number)

    def next_default(self) -> Proposal | None:
        """Return the trial that discovers a hypermodel's parameters, if none are known."""
        if self.is_open:
            return None
        return self._told(Choice(params={}, sampler=DEFAULTS, seed=0))

    def _told(self, choice: Choice, retry_of: int | None = None) -> Proposal:
        """Return a proposal made without a sampler."""
        return Proposal(
            choice=choice,
            told=self.in_memory.told,
            trials=len(self.in_memory),
            pending=tuple(self.in_memory.pending()),
            all_curves=self.in_memory.all_curves,
            retry_of=retry_of,
        )

    def proposed(self, params: Mapping[str, Any], *, is_retry: bool) -> None:
        """Record that a trial with `params` was proposed and stored."""
        if is_retry and self.again:
            self.again.pop(0)
        self.proposer.remember(params, is_retry=is_retry)
        self.in_flight += 1

    def ended(self, trial: Trial) -> None:
        """Count a trial whose outcome was told."""
        self.in_flight -= 1
        self._rung_is_due = isinstance(self._pruner, HalvingPruner)
        self.used += bool(trial.counted)
        self.streaks.note(trial)
        self.in_memory.forget(self.streaks.mended)
        if _had_less_time(trial, self.spec):
            self.in_memory.forget([trial.number])
        if trial.duration_s is not None:
            # A moving average adapts if trials become longer.
            old = self.trial_s
            self.trial_s = trial.duration_s if old is None else 0.9 * old + 0.1 * trial.duration_s
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            self._found_nothing = trial.number
        if trial.state is TrialState.COMPLETE and trial.objective is not None:
            self._note_objective(trial.objective)

    def _note_objective(self, objective: float) -> None:
        better = self.best is None or (
            objective > self.best if self._maximize else objective < self.best
        )
        if better:
            self.best, self.since_best = objective, 0
        else:
            self.since_best += 1

    def close(self) -> None:
        """Release the proposing thread."""
        self.prefetch.close()


def _had_less_time(trial: Trial, spec: StudySpec) -> bool:
    """Whether a trial was ended by a time limit shorter than the study's present one."""
    if trial.cause != OVERDUE or not trial.duration_s:
        return False
    return spec.trial.timeout is None or trial.duration_s < spec.trial.timeout
