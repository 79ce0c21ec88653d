"""Many runs: methods on tasks with histories, seed by seed, so that it can be stopped early."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.sampler.history.building import HistorySpec, StudyMaker, build_history
from tests.benchmarks.sampler.methods import (
    MissingPeerError,
    Problem,
    make_method,
    plays_pools,
    uses_history,
)
from tests.benchmarks.sampler.play import play
from tests.benchmarks.sampler.results import ResultFile, Run, RunKey, code_of
from tests.benchmarks.sampler.tasks.task import Task

_NONE = HistorySpec()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be run."""

    #: Family → its tasks; sources of history are taken from all of them.
    families: Mapping[str, Sequence[Task]]
    #: The tasks that are tuned, by key.
    targets: frozenset[str]
    methods: tuple[str, ...]
    histories: tuple[HistorySpec, ...] = (_NONE,)
    pending: tuple[int, ...] = (1,)
    seeds: tuple[int, ...] = (0,)
    trials: int = 100
    cache: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run that is to be made."""

    task: Task
    method: str
    history: HistorySpec
    pending: int
    seed: int


@dataclass
class Campaign:
    """Makes the runs of a plan that the file does not hold yet."""

    plan: Plan
    file: ResultFile
    say: Callable[[str], None] = print
    _left_out: dict[str, str] = field(default_factory=dict)

    def jobs(self) -> Iterator[Job]:
        """Yield the runs that make sense, all of one seed before the next."""
        plan = self.plan
        tasks = [t for family in plan.families.values() for t in family if t.key in plan.targets]
        for seed in plan.seeds:
            for pending in plan.pending:
                for task in tasks:
                    for method in plan.methods:
                        for history in self._histories(method):
                            if task.pool is None or plays_pools(method):
                                yield Job(
                                    task=task,
                                    method=method,
                                    history=history,
                                    pending=pending,
                                    seed=seed,
                                )

    def _histories(self, method: str) -> tuple[HistorySpec, ...]:
        if not uses_history(method):
            return (_NONE,)
        return tuple(spec for spec in self.plan.histories if spec.kind != "none")

    def run(self, deadline_s: float = float("inf")) -> int:
        """Make the missing runs, for at most `deadline_s` seconds; return how many were made."""
        jobs = [job for job in self.jobs() if not self._is_done(job)]
        start, maker = time.monotonic(), StudyMaker(self.plan.cache)
        self.say(f"{len(jobs)} runs to make")
        made = 0
        for job in jobs:
            took = time.monotonic() - start
            if took > deadline_s:
                self.say(f"out of time, {len(jobs) - made} runs are left")
                break
            if job.method not in self._left_out:
                self._one(job, maker, f"{made + 1}/{len(jobs)}")
            made += 1
        for method, reason in self._left_out.items():
            self.say(f"left out: {method}: {reason}")
        return made

    def _is_done(self, job: Job) -> bool:
        key = RunKey(
            job.task.key,
            job.method,
            str(job.history),
            job.pending,
            job.seed,
            code_of(job.method),
        )
        return self.file.holds(key, self._trials(job.task))

    def _trials(self, task: Task) -> int:
        return min(self.plan.trials, len(task.pool)) if task.pool else self.plan.trials

    def _one(self, job: Job, maker: StudyMaker, progress: str) -> None:
        task, trials = job.task, self._trials(job.task)
        sources = build_history(task, self.plan.families[task.family], job.history, job.seed, maker)
        # Another seed than that of the sources, and one for each task.
        problem = Problem(
            space=task.space,
            seed=1000 + job.seed,
            trials=trials,
            history=sources,
            pool=task.pool,
        )
        start = time.process_time()
        try:
            method = make_method(job.method, problem)
        except MissingPeerError as exc:
            self._left_out[job.method] = str(exc)
            return
        played = play(task, method, trials=trials, pending=job.pending, seed=job.seed)
        run = Run(
            task=task.key,
            method=job.method,
            history=str(job.history),
            pending=job.pending,
            seed=job.seed,
            trials=trials,
            best=task.best,
            median=task.median,
            values=tuple(played.values),
            ask_s=tuple(played.ask_s),
            trust=tuple(played.trust),
            foretold=tuple(played.foretold),
            code=code_of(job.method),
            healthy=task.healthy,
        )
        self.file.add(run)
        self.say(
            f"{progress} {task.key} {job.method} {job.history} pending {job.pending} "
            f"seed {job.seed}: {_regrets(run)} ({time.process_time() - start:.1f} s)"
        )


def _regrets(run: Run) -> str:
    from tests.benchmarks.sampler.stats import regret_curve

    curve = regret_curve(run)
    shown = [n for n in (5, 10, 20, 50, 100) if n <= len(curve)]
    return " ".join(f"@{n} {curve[n - 1]:.3f}" for n in shown)
