"""`tuner.BayesianSampler`, without and with history, as an Optuna script uses it."""

from __future__ import annotations

import optuna

from tests.benchmarks.sampler.history.source_study import SourceStudy
from tests.benchmarks.sampler.methods.method import Method, Problem
from tests.benchmarks.sampler.methods.optuna_samplers import OptunaMethod
from tuner.space.optuna import distribution, to_optuna


def cold(problem: Problem) -> Method:
    """No history at all."""
    return _method(problem, ())


def warm(problem: Problem) -> Method:
    """With the sources of the problem, as lists of finished trials."""
    return _method(problem, problem.history)


def _method(problem: Problem, history: tuple[SourceStudy, ...]) -> Method:
    from tuner.samplers.bayesian import BayesianSampler

    sampler = BayesianSampler(
        space=problem.space, history=[frozen(study) for study in history], seed=problem.seed
    )
    if problem.pool is not None:
        from tests.benchmarks.sampler.methods.our_pool import PoolEncoding

        sampler._dialect.encoding = PoolEncoding(problem.space, problem.pool)
    return OptunaMethod(problem.space, sampler)


def frozen(study: SourceStudy) -> list[optuna.trial.FrozenTrial]:
    """Return the trials of a source as Optuna keeps them."""
    space = study.space
    return [
        optuna.trial.create_trial(
            params={name: to_optuna(space[name], found) for name, found in params.items()},
            distributions={name: distribution(space[name]) for name in params},
            value=value,
        )
        for params, value in zip(study.params, study.values, strict=True)
    ]
