"""Many studies with pruners: arms on tasks, seed by seed, so that it can be stopped early."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.sampler.history.building import HistorySpec
from tests.benchmarks.sampler.methods.method import MissingPeerError
from tests.benchmarks.sampler.pruned.arm import OWN, PrunedProblem, epochs_of
from tests.benchmarks.sampler.pruned.arms import ARMS, make_arm
from tests.benchmarks.sampler.pruned.past import past_of
from tests.benchmarks.sampler.pruned.playing import PlayedEpochs, play_epochs
from tests.benchmarks.sampler.pruned.results import PrunedFile, PrunedKey, PrunedRun
from tests.benchmarks.sampler.results import code_of, fingerprint
from tests.benchmarks.sampler.tasks.task import Task

_NONE = HistorySpec()
#: What decides when a trial is stopped.
_PRUNERS = (
    "tuner/curves",
    "tuner/history/learning_curves/early.py",
    "tuner/proposals/pruners",
    "tuner/coordinator/lifecycle/*rung*.py",
)


@dataclass(frozen=True, kw_only=True)
class PrunedPlan:
    """What is to be run."""

    #: Family → its tasks; sources of history are taken from all of them.
    families: Mapping[str, Sequence[Task]]
    #: The tasks that are tuned, by key.
    targets: frozenset[str]
    arms: tuple[str, ...]
    pruners: tuple[str, ...]
    workers: tuple[int, ...] = (1,)
    histories: tuple[HistorySpec, ...] = (_NONE,)
    seeds: tuple[int, ...] = (0,)
    #: Budget in whole trainings.
    full: int = 20
    most_trials: int = 300


@dataclass(frozen=True, kw_only=True)
class PrunedJob:
    """One run that is to be made."""

    task: Task
    arm: str
    pruner: str
    workers: int
    history: HistorySpec
    seed: int


@dataclass
class PrunedCampaign:
    """Makes the runs of a plan that the file does not hold yet."""

    plan: PrunedPlan
    file: PrunedFile
    say: Callable[[str], None] = print
    _left_out: dict[str, str] = field(default_factory=dict)

    def jobs(self) -> Iterator[PrunedJob]:
        """Yield the runs that make sense, all of one seed before the next."""
        plan = self.plan
        tasks = [t for family in plan.families.values() for t in family if t.key in plan.targets]
        for seed in plan.seeds:
            for workers in plan.workers:
                for task in tasks:
                    for history, pruner, arm in self._kinds(task):
                        yield PrunedJob(
                            task=task,
                            arm=arm,
                            pruner=pruner,
                            workers=workers,
                            history=history,
                            seed=seed,
                        )

    def _kinds(self, task: Task) -> Iterator[tuple[HistorySpec, str, str]]:
        """Yield history, pruner and arm; what reads none runs without, or for its pruner's sake."""
        found: dict[tuple[str, str, str], tuple[HistorySpec, str, str]] = {}
        for history in self.plan.histories:
            for arm in self.plan.arms:
                kind = ARMS[arm]
                if task.pool is not None and not kind.plays_pools:
                    continue
                for pruner in (OWN,) if kind.has_own_pruner else self.plan.pruners:
                    if pruner == "history" and history.kind == "none":
                        # It would stop nothing.
                        continue
                    reads = kind.reads_history or pruner == "history"
                    spec = history if reads else _NONE
                    found[str(spec), pruner, arm] = (spec, pruner, arm)
        yield from found.values()

    def run(self, deadline_s: float = float("inf")) -> int:
        """Make the missing runs, for at most `deadline_s` seconds; return how many were made."""
        jobs = [job for job in self.jobs() if self._key(job) not in self.file]
        start, made = time.monotonic(), 0
        self.say(f"{len(jobs)} runs to make")
        for job in jobs:
            if time.monotonic() - start > deadline_s:
                self.say(f"out of time, {len(jobs) - made} runs are left")
                break
            if job.arm not in self._left_out:
                self._one(job, f"{made + 1}/{len(jobs)}")
            made += 1
        for arm, reason in self._left_out.items():
            self.say(f"left out: {arm}: {reason}")
        return made

    def _key(self, job: PrunedJob) -> PrunedKey:
        return PrunedKey(
            job.task.key,
            job.arm,
            job.pruner,
            job.workers,
            str(job.history),
            job.seed,
            self.plan.full,
            _code(job.arm, job.pruner),
        )

    def _one(self, job: PrunedJob, progress: str) -> None:
        task, key = job.task, self._key(job)
        epochs = epochs_of(task)
        budget = self.plan.full * epochs
        family = list(self.plan.families[task.family])
        problem = PrunedProblem(
            task=task,
            pruner=job.pruner,
            # Another seed than that of the sources.
            seed=1000 + job.seed,
            epochs=epochs,
            budget=budget,
            history=past_of(task, family, job.history, job.seed),
        )
        start = time.process_time()
        try:
            arm = make_arm(job.arm, problem)
        except MissingPeerError as exc:
            self._left_out[job.arm] = str(exc)
            return
        played = play_epochs(
            task, arm, budget=budget, workers=job.workers, most_trials=self.plan.most_trials
        )
        run = _run(key, task, epochs, played)
        self.file.add(run)
        took = time.process_time() - start
        self.say(f"{progress} {_told(run)} ({took:.1f} s)")


def _code(arm: str, pruner: str) -> str:
    """Return what tells results of different code apart, of the sampler and of its pruner."""
    if pruner in ("none", OWN):
        return code_of(arm)
    return f"{code_of(arm)} pruners={fingerprint(_PRUNERS)}"


def _run(key: PrunedKey, task: Task, epochs: int, played: PlayedEpochs) -> PrunedRun:
    return PrunedRun(
        task=key.task,
        arm=key.arm,
        pruner=key.pruner,
        workers=key.workers,
        history=key.history,
        seed=key.seed,
        full=key.full,
        code=key.code,
        epochs=epochs,
        best=task.best,
        median=task.median,
        ends=tuple((end.spent, end.told, end.value) for end in played.ends),
        asked=tuple(zip(played.asked_at, played.at_bound, played.ask_s, strict=True)),
    )


def _told(run: PrunedRun) -> str:
    regrets = run.regrets()
    quarter, half = len(regrets) // 4 - 1, len(regrets) // 2 - 1
    return (
        f"{run.task} {run.arm} {run.pruner} {run.history} workers {run.workers} seed {run.seed}: "
        f"@25% {regrets[quarter]:.3f} @50% {regrets[half]:.3f} @100% {regrets[-1]:.3f} "
        f"area {regrets.mean():.3f}, {len(run.ends)} of {len(run.asked)} whole, "
        f"{100 * run.at_bound():.0f}% at a bound"
    )
