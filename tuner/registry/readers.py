"""The searches that `tuner convert` reads. To add a reader: its module, and its line here."""

from __future__ import annotations

from tuner.registry.extension import Extension
from tuner.registry.registry import Registry

#: Each takes a `tuner.convert.SearchFile` and returns a `tuner.convert.SpecDraft`, or None if the
#: file belongs to another tool. They are tried in this order, readers from packages last.
READERS = Registry(
    noun="reader",
    group="tuner.readers",
    built_in={
        "wandb": Extension(
            make="tuner.convert.readers.wandb:read",
            says="a W&B sweep (YAML with method and parameters)",
        ),
        "katib": Extension(
            make="tuner.convert.readers.katib:read", says="a Katib Experiment (YAML)"
        ),
        "kerastuner": Extension(
            make="tuner.convert.readers.kerastuner:read",
            says="a KerasTuner project (its oracle.json)",
        ),
        "raytune": Extension(
            make="tuner.convert.readers.raytune:read", says="a Ray Tune space (JSON)"
        ),
    },
    # A database or a journal, which is recognized before the readers are tried.
    reserved=("optuna",),
)
