"""Families of trainings with learning curves, for studies with a pruner.

| family | what it has |
|---|---|
| demo | curves of 9 epochs that keep their order; a network of seven parameters |
| noisy | the same with noise of deviation .02 on every report and on what is told at the end |
| cross | 27 epochs; what learns fast ends badly: early ranks mislead |

The first task of each is the case that was reported; the optima of the others lie near its own.
A value is the error, 1 - accuracy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np

from tests.benchmarks.sampler.tasks.task import Array, Task, median_value
from tuner.space import Params, SearchSpace

TASKS = 12
_EPOCHS, _LONG = 9, 27
_NOISE = 0.02
_RANDOM = 500
_SPACE = {
    "lr": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "opt": {"type": "categorical", "values": ["adam", "sgd"]},
    "mom": {"type": "float", "low": 0.0, "high": 0.95, "when": {"opt": ["sgd"]}},
    "batch": {"type": "ordinal", "values": [16, 32, 64]},
    "blocks": {"type": "int", "low": 1, "high": 5},
    "width": {"type": "int", "low": 16, "high": 128, "log": True},
    "drop": {"type": "float", "low": 0.0, "high": 0.5},
}


@dataclass(frozen=True, kw_only=True)
class _Best:
    """Where a task is at its best, and how much worse it is elsewhere."""

    log_lr: float
    drop: float
    blocks: int = 2
    log_width: float = 6.0
    sgd: float = 0.2
    steep: float

    def accuracy(self, params: Params) -> float:
        """Return what a training of these parameters comes to in the end."""
        off = (
            ((np.log10(params["lr"]) - self.log_lr) / 2) ** 2
            + (float(params["drop"]) - self.drop) ** 2
            + ((float(params["blocks"]) - self.blocks) / 6) ** 2
            + ((np.log2(params["width"]) - self.log_width) / 4) ** 2
            + (self.sgd if params["opt"] == "sgd" else 0.0)
        )
        return max(0.1, 0.95 - self.steep * float(off))


def curve_tasks() -> dict[str, Callable[[Path | None], list[Task]]]:
    """Return the loaders of these families; they need no folder."""
    return {name: partial(_family, name) for name in ("demo", "noisy", "cross")}


def _family(name: str, _folder: Path | None) -> list[Task]:
    space = SearchSpace.from_json({"parameters": _SPACE})
    return [_task(name, index, space) for index in range(TASKS)]


def _task(family: str, index: int, space: SearchSpace) -> Task:
    make = _cross if family == "cross" else _demo
    curve = partial(make, _best(family, index))
    ideal = _ideal(_best(family, index))
    noisy = partial(_noisy, curve, f"{family}/{index}", space)
    is_noisy = family == "noisy"
    return Task(
        name=f"{index:02d}",
        family=family,
        space=space,
        evaluate=lambda params: float(curve(params)[-1]),
        best=_lowest(curve, ideal) if family == "cross" else float(curve(ideal)[-1]),
        median=median_value(space, lambda params: float(curve(params)[-1]), _RANDOM),
        curve=(lambda params: noisy(params).tolist()) if is_noisy else curve,
        told=(lambda params: float(noisy(params)[-1])) if is_noisy else None,
    )


def _best(family: str, index: int) -> _Best:
    home = _Best(log_lr=-3.2, drop=0.3, steep=0.7)
    home = home if family == "cross" else _Best(log_lr=-2.0, drop=0.3, steep=0.5)
    if index == 0:
        return home
    rng = np.random.default_rng([crc32(b"curves"), index])
    return _Best(
        log_lr=home.log_lr + float(rng.normal(0, 0.25)),
        drop=float(np.clip(home.drop + rng.normal(0, 0.08), 0.0, 0.5)),
        blocks=int(np.clip(home.blocks + rng.integers(-1, 2), 1, 5)),
        log_width=6.0 + float(rng.normal(0, 0.3)),
        sgd=0.2 + float(rng.normal(0, 0.05)),
        steep=home.steep,
    )


def _demo(best: _Best, params: Params) -> Array:
    steps = np.arange(1, _EPOCHS + 1)
    return np.asarray(1 - best.accuracy(params) * (1 - np.exp(-steps / 2)))


def _cross(best: _Best, params: Params) -> Array:
    fast = (np.log10(params["lr"]) + 4) / 3 * (1.3 - float(params["drop"]))
    pace = 0.05 + 0.5 * float(fast)
    steps = np.arange(1, _LONG + 1)
    return np.asarray(1 - best.accuracy(params) * (1 - np.exp(-steps * pace)))


def _noisy(
    curve: Callable[[Params], Array], task: str, space: SearchSpace, params: Params
) -> Array:
    """Return the curve with noise that belongs to the configuration: told again it is the same."""
    rng = np.random.default_rng(crc32(f"{task} {space.key(params)}".encode()))
    values = curve(params)
    return np.asarray(values + rng.normal(0, _NOISE, len(values)))


def _ideal(best: _Best) -> Params:
    return {
        "lr": float(np.clip(10**best.log_lr, 1e-4, 1e-1)),
        "opt": "adam",
        "batch": 32,
        "blocks": best.blocks,
        "width": round(float(np.clip(2**best.log_width, 16, 128))),
        "drop": best.drop,
    }


def _lowest(curve: Callable[[Params], Array], ideal: Params) -> float:
    """Return the best end where pace and merit pull apart: by a search of the two that do so."""
    return min(
        float(curve(ideal | {"lr": float(lr), "drop": float(drop)})[-1])
        for lr in np.geomspace(1e-4, 1e-1, 121)
        for drop in np.linspace(0, 0.5, 51)
    )
