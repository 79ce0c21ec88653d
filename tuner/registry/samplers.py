"""The samplers that a spec may name. To add one: its module, and its line here."""

from __future__ import annotations

from tuner.registry.extension import Extension, Trait
from tuner.registry.registry import Registry

_IN = "tuner.samplers.built_in"

#: Each makes an Optuna sampler from a `tuner.samplers.SamplerContext`; the first is the default.
SAMPLERS = Registry(
    noun="sampler",
    group="tuner.samplers",
    built_in={
        "bayesian": Extension(
            make=f"{_IN}:make_bayesian",
            traits=(Trait.LEARNS, Trait.ASKS_DURATIONS, Trait.LEAVES_NOTHING, Trait.MODELS),
        ),
        "tpe": Extension(
            make=f"{_IN}:make_tpe", options=("startup_trials",), traits=(Trait.LEAVES_NOTHING,)
        ),
        "random": Extension(make=f"{_IN}:make_random", traits=(Trait.LEAVES_NOTHING, Trait.BLIND)),
        "grid": Extension(make=f"{_IN}:make_grid", traits=(Trait.LEAVES_NOTHING, Trait.BLIND)),
        "qmc": Extension(make=f"{_IN}:make_qmc", traits=(Trait.BLIND,)),
        "nsga2": Extension(make=f"{_IN}:make_nsga2", options=("population",)),
        "gp": Extension(make=f"{_IN}:make_gp", options=("startup_trials",), traits=(Trait.MODELS,)),
    },
)
