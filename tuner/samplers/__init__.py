"""The samplers that a spec may name. To add one: a function here and a line in `SAMPLERS`.

A sampler is made anew for every proposal, with a seed of that proposal: a long-lived seeded sampler
repeats its proposals after a restart of the coordinator (measured for five of seven). What must
stay the same over a study (the scrambling of QMC) takes the study's seed instead. All other state
lives in Optuna's study and trial attributes, which the coordinator persists.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import optuna
from optuna.samplers import BaseSampler

from tuner.errors import SetupError, UnknownNameError
from tuner.samplers.grid import WholeTrialsSampler
from tuner.samplers.tpe import FastTPESampler, TpeMemory
from tuner.space import SearchSpace
from tuner.system import pip_install

if TYPE_CHECKING:  # scipy takes a quarter of a second, and most samplers do without
    from tuner.surrogate.prior import Prior


@dataclass(frozen=True, kw_only=True)
class SamplerContext:
    """What a sampler is made for.

    `study_seed` and `seed` (of this proposal) are below 2**32; `has_conditions` says whether trials
    may lack parameters: active only for some values of others, or found later.
    """

    study_seed: int
    seed: int
    #: The declared space; None for a study that declares none.
    space: SearchSpace | None = None
    has_conditions: bool = False
    #: Name of the only metric; empty where there are several.
    metric: str = ""
    #: What history tells; of several metrics a list, with None where it tells nothing.
    prior: Prior | list[Prior | None] | None = None
    #: The longest that a trial may take, seconds; None: there is no limit.
    limit_s: float | None = None
    #: `startup_trials` (tpe, gp) and `population` (nsga2), where the spec gives them.
    options: Mapping[str, int] = field(default_factory=dict)
    #: What samplers keep from one proposal of the study to the next; may be empty at any time.
    memory: dict[str, Any] = field(default_factory=dict)

    def given(self, **names: str) -> dict[str, Any]:
        """Return Optuna's name and the value of each option that the spec gives."""
        return {name: self.options[ours] for name, ours in names.items() if ours in self.options}


def _bayesian(context: SamplerContext) -> BaseSampler:
    # scipy takes a quarter of a second to import, which the other samplers do without.
    from tuner.samplers.bayesian import BayesianSampler

    return BayesianSampler(
        context.space,
        seed=context.seed,
        metric=context.metric,
        prior=context.prior,
        limit_s=context.limit_s,
        memory=context.memory.setdefault("bayesian", {}),
    )


def _tpe(context: SamplerContext) -> BaseSampler:
    # `group` models jointly what is active together; without conditions there is one group.
    return FastTPESampler(
        context.memory.setdefault("tpe", TpeMemory()),
        seed=context.seed,
        multivariate=True,
        constant_liar=True,
        group=context.has_conditions,
        **context.given(n_startup_trials="startup_trials"),
    )


def _random(context: SamplerContext) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=context.seed)


def _grid(context: SamplerContext) -> BaseSampler:
    # Optuna's GridSampler knows no conditions; this one walks the tree of the active parameters.
    if context.space is None:
        return optuna.samplers.BruteForceSampler(seed=context.seed, avoid_premature_stop=True)
    return WholeTrialsSampler(context.space, seed=context.seed)


def _qmc(context: SamplerContext) -> BaseSampler:
    return optuna.samplers.QMCSampler(
        scramble=True,
        seed=context.study_seed,
        independent_sampler=optuna.samplers.RandomSampler(seed=context.seed),
        warn_asynchronous_seeding=False,
        warn_independent_sampling=False,
    )


def _nsga2(context: SamplerContext) -> BaseSampler:
    return optuna.samplers.NSGAIISampler(
        seed=context.seed, **context.given(population_size="population")
    )


def _gp(context: SamplerContext) -> BaseSampler:
    if importlib.util.find_spec("torch") is None:
        raise SetupError(f"sampler gp needs PyTorch: {pip_install('torch')}")
    return optuna.samplers.GPSampler(
        seed=context.seed,
        independent_sampler=optuna.samplers.RandomSampler(seed=context.seed),
        **context.given(n_startup_trials="startup_trials"),
    )


SAMPLERS: dict[str, Callable[[SamplerContext], BaseSampler]] = {
    "bayesian": _bayesian,
    "tpe": _tpe,
    "random": _random,
    "grid": _grid,
    "qmc": _qmc,
    "nsga2": _nsga2,
    "gp": _gp,
}


def import_sampler(name: str) -> None:
    """Import what a sampler needs, so that its first proposal does not have to wait for that."""
    if name == "bayesian":
        importlib.import_module("tuner.samplers.bayesian")


def make_sampler(name: str, context: SamplerContext) -> BaseSampler:
    """Return the sampler called `name`, made for one proposal.

    Raises:
        UnknownNameError: there is no such sampler.
        SetupError: it needs a package that is not installed.
    """
    try:
        make = SAMPLERS[name]
    except KeyError:
        raise UnknownNameError("sampler", name, SAMPLERS) from None
    with warnings.catch_warnings():
        # Which of Optuna's options are experimental is our business, not the user's.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return make(context)
