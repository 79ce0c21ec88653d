"""Search spaces that several tests and benchmarks tune."""

from __future__ import annotations

from typing import Any

Space = dict[str, Any]

#: A parameter that is only there under a condition, and the one that it depends on.
OPTIMIZER: Space = {
    "train.optimizer": {"type": "categorical", "values": ["adam", "sgd"]},
    "train.momentum": {
        "type": "float",
        "low": 0.0,
        "high": 0.99,
        "when": {"train.optimizer": ["sgd"]},
    },
}
#: Every kind of parameter, one of them conditional.
MIXED: Space = {
    "train.rate": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
    "train.batch": {"type": "ordinal", "values": [16, 32, 64]},
    **OPTIMIZER,
    "model.layers": {"type": "int", "low": 1, "high": 4},
    "model.norm": {"type": "bool"},
    "model.activation": {"type": "fixed", "value": "relu"},
}


def finite(high: int = 3) -> Space:
    """Return a space of 2 * (`high` + 1) configurations: a=x with each b, and a=y, with each c."""
    return {
        "a": {"type": "categorical", "values": ["x", "y"]},
        "b": {"type": "int", "low": 1, "high": high, "when": {"a": ["x"]}},
        "c": {"type": "bool"},
    }
