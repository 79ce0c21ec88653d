"""Tuner's built-in samplers: one function each, which `tuner.registry` names."""

from __future__ import annotations

import importlib.util

import optuna
from optuna.samplers import BaseSampler

from tuner.errors import SetupError
from tuner.runtime.system import pip_install
from tuner.samplers.context import SamplerContext
from tuner.samplers.grid import WholeTrialsSampler
from tuner.samplers.tpe import FastTPESampler, TpeMemory


def make_bayesian(context: SamplerContext) -> BaseSampler:
    """Return Tuner's own sampler: a Gaussian process that learns from history."""
    # Importing scipy takes a quarter of a second, and the other samplers do not need it.
    from tuner.samplers.bayesian import BayesianSampler

    return BayesianSampler(
        context.space,
        seed=context.seed,
        metric=context.metric,
        prior=context.prior,
        limit_s=context.limit_s,
        memory=context.memory.setdefault("bayesian", {}),
    )


def make_tpe(context: SamplerContext) -> BaseSampler:
    """Return Optuna's TPE, with results cached from one proposal to the next."""
    # `group` models parameters that are active together jointly; without conditions it is one
    # group.
    return FastTPESampler(
        context.memory.setdefault("tpe", TpeMemory()),
        seed=context.seed,
        multivariate=True,
        constant_liar=True,
        group=context.has_conditions,
        **context.given(n_startup_trials="startup_trials"),
    )


def make_random(context: SamplerContext) -> BaseSampler:
    """Return a sampler that draws from the whole space."""
    return optuna.samplers.RandomSampler(seed=context.seed)


def make_grid(context: SamplerContext) -> BaseSampler:
    """Return a sampler that tries every configuration of a finite space."""
    # Optuna's GridSampler does not know conditions; this one walks the tree of active parameters.
    if context.space is None:
        return optuna.samplers.BruteForceSampler(seed=context.seed, avoid_premature_stop=True)
    return WholeTrialsSampler(context.space, seed=context.seed)


def make_qmc(context: SamplerContext) -> BaseSampler:
    """Return a sampler that fills the space evenly, with a scrambled Sobol sequence."""
    return optuna.samplers.QMCSampler(
        scramble=True,
        seed=context.study_seed,
        independent_sampler=optuna.samplers.RandomSampler(seed=context.seed),
        warn_asynchronous_seeding=False,
        warn_independent_sampling=False,
    )


def make_nsga2(context: SamplerContext) -> BaseSampler:
    """Return Optuna's genetic algorithm for several metrics."""
    return optuna.samplers.NSGAIISampler(
        seed=context.seed, **context.given(population_size="population")
    )


def make_gp(context: SamplerContext) -> BaseSampler:
    """Return Optuna's Gaussian process.

    Raises:
        SetupError: PyTorch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise SetupError(f"sampler gp needs PyTorch: {pip_install('torch')}")
    return optuna.samplers.GPSampler(
        seed=context.seed,
        independent_sampler=optuna.samplers.RandomSampler(seed=context.seed),
        **context.given(n_startup_trials="startup_trials"),
    )
