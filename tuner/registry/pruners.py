"""The pruners that a spec may name. To add one: its module, and its line here."""

from __future__ import annotations

from tuner.registry.extension import Extension, Trait
from tuner.registry.registry import Registry

_IN = "tuner.proposals.pruners.making"

#: Each makes an Optuna pruner from the options in the spec.
PRUNERS = Registry(
    noun="pruner",
    group="tuner.pruners",
    built_in={
        "asha": Extension(
            make=f"{_IN}:make_asha",
            options=("min_resource", "reduction_factor"),
            traits=(Trait.RUNGS,),
        ),
        "hyperband": Extension(
            make=f"{_IN}:make_hyperband",
            options=("min_resource", "max_resource", "reduction_factor"),
            traits=(Trait.RUNGS,),
        ),
        "median": Extension(make=f"{_IN}:make_median", options=("startup_trials", "warmup_steps")),
        "patient": Extension(make=f"{_IN}:make_patient", options=("patience", "min_delta")),
        "history": Extension(make=f"{_IN}:make_history", options=("top", "confidence")),
        "none": Extension(make=f"{_IN}:make_none"),
    },
)
