"""Objectives that raise in a part of their space, or by chance.

| shape | what fails |
|---|---|
| sum | where x + y > 1; the best lies at that border |
| half | where x + 1.2 y > 1.3; the best lies at that border |
| corner | where all of three numbers are above .6; the best would lie there |
| product | where the product of two whole numbers is above 12: a layer that cannot be built |
| choice | one of three values always |
| condition | one of two values, which has a parameter of its own, always |
| away | where x > .8; the best lies elsewhere |
| island | four fifths of the space |
| chance | a fifth of the trials, wherever they are |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.space import Params, SearchSpace

_UNIT: dict[str, Any] = {"type": "float", "low": 0.0, "high": 1.0}
_THREE = {"x": _UNIT, "y": _UNIT, "w": _UNIT}

#: Value of a configuration, lower is better; None: it raises. The number is drawn for the trial,
#: uniform in [0, 1).
Objective = Callable[[Mapping[str, Any], float], float | None]


@dataclass(frozen=True, kw_only=True)
class FailingTask:
    """One shape of failures."""

    name: str
    space: SearchSpace
    objective: Objective
    #: The lowest value of what does not fail.
    best: float

    def run(self, params: Params, number: int, seed: int) -> float | None:
        """Return the value of trial `number` of a study, None where it raises."""
        draw = np.random.default_rng([seed, number, 9]).random()
        return self.objective(params, float(draw))


def _bowl(p: Mapping[str, Any]) -> float:
    return float((p["x"] - 0.3) ** 2 + (p["y"] - 0.6) ** 2 + (p.get("w", 0.7) - 0.7) ** 2)


def _sum(p: Mapping[str, Any], _draw: float) -> float | None:
    along = p["x"] + p["y"]
    return None if along > 1.0 else -float(along)


def _half(p: Mapping[str, Any], _draw: float) -> float | None:
    along = p["x"] + 1.2 * p["y"]
    return None if along > 1.3 else -float(along)


def _corner(p: Mapping[str, Any], _draw: float) -> float | None:
    return None if min(p.values()) > 0.6 else float(sum((v - 0.8) ** 2 for v in p.values()))


def _product(p: Mapping[str, Any], _draw: float) -> float | None:
    if p["kernel"] * p["pool"] > 12:
        return None
    return -0.1 * p["kernel"] - 0.15 * p["pool"] + (math.log2(p["units"] / 96) / 4) ** 2


def _choice(p: Mapping[str, Any], _draw: float) -> float | None:
    return None if p["opt"] == "c" else _bowl(p) + 0.1 * (p["opt"] == "a")


def _condition(p: Mapping[str, Any], _draw: float) -> float | None:
    return None if p["pooling"] else _bowl(p)


def _away(p: Mapping[str, Any], _draw: float) -> float | None:
    return None if p["x"] > 0.8 else _bowl(p)


def _island(p: Mapping[str, Any], _draw: float) -> float | None:
    if sum(p.values()) < 1.9:
        return None
    return float((p["x"] - 0.7) ** 2 + (p["y"] - 0.75) ** 2 + (p["w"] - 0.8) ** 2)


def _chance(p: Mapping[str, Any], draw: float) -> float | None:
    return None if draw < 0.2 else _bowl(p)


_SHAPES: Mapping[str, tuple[dict[str, Any], Objective, float]] = {
    "sum": ({"x": _UNIT, "y": _UNIT}, _sum, -1.0),
    "half": ({"x": _UNIT, "y": _UNIT}, _half, -1.3),
    "corner": (_THREE, _corner, 0.04),
    "product": (
        {
            "kernel": {"type": "int", "low": 1, "high": 7},
            "pool": {"type": "int", "low": 1, "high": 4},
            "units": {"type": "int", "low": 16, "high": 256, "log": True},
        },
        _product,
        -0.9,
    ),
    "choice": (
        {"opt": {"type": "categorical", "values": ["a", "b", "c"]}, "x": _UNIT, "y": _UNIT},
        _choice,
        0.0,
    ),
    "condition": (
        {
            "pooling": {"type": "bool"},
            "size": {"type": "int", "low": 2, "high": 8, "when": {"pooling": [True]}},
            **_THREE,
        },
        _condition,
        0.0,
    ),
    "away": (_THREE, _away, 0.0),
    "island": (_THREE, _island, 0.0),
    "chance": (_THREE, _chance, 0.0),
}


def failing_tasks() -> dict[str, FailingTask]:
    """Return every shape by its name."""
    return {
        name: FailingTask(
            name=name,
            space=SearchSpace.from_json({"parameters": definitions}),
            objective=objective,
            best=best,
        )
        for name, (definitions, objective, best) in _SHAPES.items()
    }
