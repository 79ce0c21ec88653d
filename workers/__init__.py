"""Workers execute trials; an objective needs only `from workers import Run`.

Names are loaded on first use: a trial's process must not pay for what it does not use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.objective.run import Run
    from workers.objective.session import TrialCancelled, TrialPreempted, TrialPruned, TrialStopped
    from workers.ranks.launching import launch_ranks

_EXPORTS = {
    "Run": "workers.objective.run",
    "TrialCancelled": "workers.objective.session",
    "TrialPreempted": "workers.objective.session",
    "TrialPruned": "workers.objective.session",
    "TrialStopped": "workers.objective.session",
    "launch_ranks": "workers.ranks.launching",
}

__all__ = ["Run", "TrialCancelled", "TrialPreempted", "TrialPruned", "TrialStopped", "launch_ranks"]


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'workers' has no attribute {name!r}; it has {__all__}")
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return __all__
