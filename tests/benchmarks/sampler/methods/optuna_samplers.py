"""Optuna's samplers, by ask and tell on a study in memory."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from tests.benchmarks.sampler.history.source_study import winners
from tests.benchmarks.sampler.methods.method import Method, Problem
from tuner.space import Parameter, Params, SearchSpace, Value
from tuner.space.optuna import distribution, from_optuna, to_optuna

#: So many winners of history are tried before the sampler takes over.
_WINNERS = 10


class OptunaMethod:
    """Any Optuna sampler; parameters are suggested along the conditions of the space."""

    def __init__(
        self, space: SearchSpace, sampler: BaseSampler, first: Sequence[Params] = ()
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self._sampler = sampler
        self.study = optuna.create_study(sampler=sampler)
        for params in first:
            self.study.enqueue_trial({n: to_optuna(space[n], v) for n, v in params.items()})

    def ask(self) -> tuple[int, Params]:
        """Suggest what is active, parents first."""
        trial = self.study.ask()

        def choose(parameter: Parameter) -> Value:
            return from_optuna(parameter, trial._suggest(parameter.name, distribution(parameter)))

        return trial.number, self._space.walk(choose)

    def tell(self, ticket: int, value: float) -> None:
        """Tell the study."""
        self.study.tell(ticket, value)

    @property
    def insight(self) -> dict[str, Any] | None:
        """What the sampler keeps under this name."""
        return getattr(self._sampler, "insight", None)


class RandomPool:
    """Recorded configurations in random order."""

    insight: dict[str, Any] | None = None

    def __init__(self, pool: Sequence[Params], seed: int) -> None:
        self._pool = pool
        self._order = iter(np.random.default_rng(seed).permutation(len(pool)).tolist())

    def ask(self) -> tuple[int, Params]:
        """Return the next one."""
        row = next(self._order)
        return row, self._pool[row]

    def tell(self, ticket: int, value: float) -> None:
        """Learn nothing."""


def random(problem: Problem) -> Method:
    """Independent uniform draws; without repeats from a pool."""
    if problem.pool is not None:
        return RandomPool(problem.pool, problem.seed)
    return OptunaMethod(problem.space, RandomSampler(seed=problem.seed))


def tpe(problem: Problem) -> Method:
    """TPE as its makers recommend it for parallel work: multivariate, grouped, constant liar."""
    return OptunaMethod(problem.space, _tpe(problem))


def gp(problem: Problem) -> Method:
    """GPSampler with its own settings."""
    if problem.pool is not None:
        from tests.benchmarks.sampler.methods.optuna_pool import GpPoolSampler

        return OptunaMethod(problem.space, GpPoolSampler(problem.space, problem.pool, problem.seed))
    return OptunaMethod(problem.space, _gp(problem))


def winners_tpe(problem: Problem) -> Method:
    """The best trial of each source first, then TPE."""
    return OptunaMethod(problem.space, _tpe(problem), _first(problem))


def winners_gp(problem: Problem) -> Method:
    """The best trial of each source first, then GPSampler."""
    return OptunaMethod(problem.space, _gp(problem), _first(problem))


def _first(problem: Problem) -> list[Params]:
    return winners(problem.space, problem.history, problem.seed)[:_WINNERS]


def _tpe(problem: Problem) -> BaseSampler:
    conditional = any(parameter.when for parameter in problem.space.parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(
            seed=problem.seed, multivariate=True, group=conditional, constant_liar=True
        )


def _gp(problem: Problem) -> BaseSampler:
    import torch

    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.GPSampler(seed=problem.seed, deterministic_objective=False)
