"""Optuna's samplers and ours with the product's pruners, by ask, report and tell."""

from __future__ import annotations

import warnings

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState

from tests.benchmarks.sampler.methods.our_pool import PoolEncoding
from tests.benchmarks.sampler.pruned.arm import Arm, Job, PrunedProblem
from tests.benchmarks.sampler.pruned.beliefs import brackets_of, inform, settle
from tests.benchmarks.sampler.pruned.nearest import NearestRow
from tuner.proposals.pruners.making import make_pruner
from tuner.samplers.bayesian import BayesianSampler
from tuner.space import Parameter, Params, Value
from tuner.space.optuna import distribution, from_optuna, to_optuna


class OptunaArm:
    """A study in memory; on a pool, what a sampler wants becomes the nearest row that is free."""

    def __init__(self, problem: PrunedProblem, sampler: BaseSampler, *, moves: bool) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        space, pool = problem.task.space, problem.task.pool
        self._space = space
        self._rows = NearestRow(space, pool) if moves and pool is not None else None
        self._pruner = make_pruner(problem.pruner, {})
        inform(self._pruner, problem)
        # Hyperband divides trials by the study's name, too.
        name = f"{problem.task.key}-{problem.seed}"
        self.study = optuna.create_study(study_name=name, sampler=sampler, pruner=self._pruner)
        settle(self._pruner, self.study)
        self._open: dict[int, Trial] = {}

    def ask(self) -> Job:
        """Suggest what is active, parents first."""
        self.study.pruner = brackets_of(self._pruner)
        try:
            return self._ask()
        finally:
            self.study.pruner = self._pruner

    def _ask(self) -> Job:
        trial = self.study.ask()

        def choose(parameter: Parameter) -> Value:
            return from_optuna(parameter, trial._suggest(parameter.name, distribution(parameter)))

        params = self._space.walk(choose)
        if self._rows is not None:
            params = self._rows.take(params)
            trial = self._instead(trial, params)
        self._open[trial.number] = trial
        return Job(ticket=trial.number, params=params)

    def report(self, ticket: int, step: int, value: float) -> bool:
        """Report to the study and ask its pruner."""
        trial = self._open[ticket]
        trial.report(value, step)
        return trial.should_prune()

    def end(self, ticket: int, final: float | None) -> None:
        """Tell the study."""
        trial = self._open.pop(ticket)
        if final is None:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, final)
        settle(self._pruner, self.study)

    def _instead(self, trial: Trial, params: Params) -> Trial:
        """Return a running trial of other parameters; the one that was asked for has failed."""
        self.study.tell(trial, state=TrialState.FAIL)
        distributions: dict[str, BaseDistribution] = {
            name: distribution(self._space[name]) for name in params
        }
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params={name: to_optuna(self._space[name], value) for name, value in params.items()},
            distributions=distributions,
        )
        storage = self.study._storage
        return Trial(self.study, storage.create_new_trial(self.study._study_id, template))


def random(problem: PrunedProblem) -> Arm:
    """Independent uniform draws."""
    return OptunaArm(problem, RandomSampler(seed=problem.seed), moves=True)


def tpe(problem: PrunedProblem) -> Arm:
    """TPE as its makers recommend it for parallel work: multivariate, grouped, constant liar."""
    conditional = any(parameter.when for parameter in problem.task.space.parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = TPESampler(
            seed=problem.seed, multivariate=True, group=conditional, constant_liar=True
        )
    return OptunaArm(problem, sampler, moves=True)


def bayesian(problem: PrunedProblem) -> Arm:
    """`tuner.BayesianSampler`, with the history of the problem."""
    space, pool = problem.task.space, problem.task.pool
    history = [list(trials) for trials in problem.history]
    sampler = BayesianSampler(space=space, history=history, seed=problem.seed)
    if pool is not None:
        sampler._dialect.encoding = PoolEncoding(space, pool)  # type: ignore[union-attr]
    return OptunaArm(problem, sampler, moves=False)
