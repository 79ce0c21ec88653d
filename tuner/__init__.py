"""Tuner: hyperparameter tuning that remembers.

Nothing is imported until it is asked for: the workers import `tuner.protocol` in environments
that have neither Optuna nor pydantic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner import keras
    from tuner.api import best, explain, status, submit, watch
    from tuner.samplers.bayesian import BayesianSampler
    from tuner.spec import StudySpec

__all__ = ["BayesianSampler", "StudySpec", "best", "explain", "keras", "status", "submit", "watch"]

_WHERE = {
    "BayesianSampler": "tuner.samplers.bayesian",
    "StudySpec": "tuner.spec",
    "best": "tuner.api",
    "explain": "tuner.api",
    "keras": "tuner.keras",
    "status": "tuner.api",
    "submit": "tuner.api",
    "watch": "tuner.api",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'tuner' has no attribute {name!r}")
    module = importlib.import_module(_WHERE[name])
    return module if module.__name__ == f"{__name__}.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
