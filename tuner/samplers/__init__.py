"""Makes the samplers that a spec may name; `tuner.registry.SAMPLERS` lists them.

A new sampler is made for every proposal, with a seed for that proposal: a long-lived seeded sampler
repeats its proposals after a restart of the coordinator (measured for five of seven). What must
stay the same throughout a study (the scrambling of QMC) takes the study's seed instead. All other
state lives in Optuna's study and trial attributes, which the coordinator persists.
"""

from __future__ import annotations

import importlib
import warnings

import optuna
from optuna.samplers import BaseSampler

from tuner.errors import SetupError
from tuner.registry import SAMPLERS
from tuner.samplers.context import SamplerContext

__all__ = ["SamplerContext", "import_sampler", "make_sampler"]


def import_sampler(name: str) -> None:
    """Import what a sampler needs, so that its first proposal does not have to wait for it.

    Raises:
        UnknownNameError: there is no such sampler.
        SetupError: it needs a package that is not installed, or that cannot be imported.
    """
    SAMPLERS.make(name)
    if name == "bayesian":
        importlib.import_module("tuner.samplers.bayesian")


def make_sampler(name: str, context: SamplerContext) -> BaseSampler:
    """Return the sampler called `name`, made for one proposal.

    Raises:
        UnknownNameError: there is no such sampler.
        SetupError: it needs a package that is not installed, or its package makes something else.
    """
    make = SAMPLERS.make(name)
    with warnings.catch_warnings():
        # Which of Optuna's options are experimental is our concern, not the user's.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = make(context)
    if not isinstance(sampler, BaseSampler):
        made, by = type(sampler).__name__, SAMPLERS.package_of(name) or "Tuner"
        raise SetupError(f"the sampler {name!r} of {by} makes no Optuna sampler, but: {made}")
    return sampler
