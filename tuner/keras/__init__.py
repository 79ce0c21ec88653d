"""KerasTuner scripts on this service: `keras_tuner.Tuner(oracle=tuner.keras.ServiceOracle(…), …)`.

Nothing is imported until it is used: KerasTuner imports Keras, and Keras its backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.keras.oracle import ServiceOracle

__all__ = ["ServiceOracle"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tuner.keras' has no attribute {name!r}")
    from tuner.keras.release import require_kerastuner

    require_kerastuner()
    from tuner.keras.oracle import ServiceOracle

    return ServiceOracle


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
