"""Continuous families: known functions, moved, turned and stretched a little from task to task.

A table of recorded configurations hides a weak search of the acquisition; these do not. Each task
is `f(u) = offset + scale * base(A (u - c))`, u in the unit cube, where `base` has its minimum at 0.
All c and A of a family lie near each other, as the optima of related trainings do, so history can
help, and differ, so it cannot be all.

Sources of the functions: Branin (1972); Dixon & Szegö (1978) for Hartmann; Ackley (1987);
Rosenbrock (1960); Levy & Montalvo (1985).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np

from tests.benchmarks.sampler.tasks.task import Array, Task, place
from tuner.space import Parameter, Params, SearchSpace

TASKS = 12
#: How far the optima and the shapes of the tasks of a family lie apart (standard deviations).
_SHIFT, _TURN, _STRETCH = 0.08, 0.12, 0.15
_RANDOM = 4096

_HARTMANN_A = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_HARTMANN_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
_HARTMANN_BEST = np.array([0.20168951, 0.15001069, 0.47687398, 0.27533243, 0.31165162, 0.65730054])


def _branin(w: Array) -> Array:
    x, y = np.pi + 15 * w[:, 0], 2.275 + 15 * w[:, 1]
    well = y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6
    return well**2 + 10 * (1 - 1 / (8 * np.pi)) * (1 + np.cos(x))


def _hartmann6(w: Array) -> Array:
    return _hartmann(w + _HARTMANN_BEST) - _hartmann(_HARTMANN_BEST[None])[0]


def _hartmann(x: Array) -> Array:
    inside = (_HARTMANN_A * (x[:, None, :] - _HARTMANN_P) ** 2).sum(axis=2)
    return -np.exp(-inside) @ np.array([1.0, 1.2, 3.0, 3.2])


def _ackley(w: Array) -> Array:
    x = 10 * w
    rough = np.exp(np.cos(2 * np.pi * x).mean(axis=1))
    return 20 + np.e - 20 * np.exp(-0.2 * np.sqrt((x**2).mean(axis=1))) - rough


def _rosenbrock(w: Array) -> Array:
    x = 1 + 3 * w
    valley = (x[:, 1:] - x[:, :-1] ** 2) ** 2
    return (100 * valley + (1 - x[:, :-1]) ** 2).sum(axis=1)


def _levy(w: Array) -> Array:
    x = 1 + 2 * w
    first = np.sin(np.pi * x[:, 0]) ** 2
    body = (x[:, :-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * x[:, :-1] + 1) ** 2)
    last = (x[:, -1] - 1) ** 2 * (1 + np.sin(2 * np.pi * x[:, -1]) ** 2)
    return first + body.sum(axis=1) + last


def _cone(w: Array) -> Array:
    return np.sqrt((w**2 * np.array([1.0, 4.0, 0.5, 2.0])).sum(axis=1))


def _narrow(w: Array) -> Array:
    # Ten parameters of which three matter much and two a little, as in most trainings.
    strong = 1 - np.exp(-(w[:, :3] ** 2 * np.array([12.0, 6.0, 3.0])).sum(axis=1))
    return strong + 0.1 * (w[:, 3:5] ** 2).sum(axis=1)


def _plateau(w: Array) -> Array:
    # A training that learns nothing over most of the space: there, all values are about chance.
    valley = (w**2 * np.array([6.0, 4.0, 1.0, 0.5, 0.2, 0.2])).sum(axis=1)
    return np.minimum(np.sqrt(valley), 1.0) + 0.01 * (1 - np.cos(25 * w.sum(axis=1)))


#: Family → number of parameters and the function.
FUNCTIONS: Mapping[str, tuple[int, Callable[[Array], Array]]] = {
    "branin": (2, _branin),
    "cone4": (4, _cone),
    "rosenbrock4": (4, _rosenbrock),
    "ackley5": (5, _ackley),
    "hartmann6": (6, _hartmann6),
    "levy6": (6, _levy),
    "narrow10": (10, _narrow),
    "plateau6": (6, _plateau),
}
#: The same of many parameters, which are compared apart: a run of them takes long.
WIDE: Mapping[str, tuple[int, Callable[[Array], Array]]] = {
    "levy20": (20, _levy),
    "ackley32": (32, _ackley),
    "narrow50": (50, _narrow),
}


def continuous_tasks() -> dict[str, Callable[[Path | None], list[Task]]]:
    """Return the loaders of the families of few parameters; they need no folder."""
    return {name: partial(_family, name) for name in FUNCTIONS}


def wide_tasks() -> dict[str, Callable[[Path | None], list[Task]]]:
    """Return the loaders of the families of 20 parameters and more."""
    return {name: partial(_family, name) for name in WIDE}


def related_tasks(name: str, count: int) -> list[Task]:
    """Return `count` tasks of a family; a larger count begins with the same ones."""
    d, base = (FUNCTIONS | WIDE)[name]
    rng = np.random.default_rng(crc32(name.encode()))
    home = rng.uniform(0.1, 0.9, d)
    space = _space(d)
    return [_task(name, index, space, base, home, rng) for index in range(count)]


def _family(name: str, _folder: Path | None) -> list[Task]:
    return related_tasks(name, TASKS)


def _space(d: int) -> SearchSpace:
    # Half of the axes are logarithmic: what is near is a matter of scale.
    def axis(index: int) -> Parameter:
        if index % 2:
            return Parameter(name=f"x{index}", kind="float", low=1e-5, high=1e-1, log=True)
        return Parameter(name=f"x{index}", kind="float", low=0.0, high=1.0)

    return SearchSpace(parameters=tuple(axis(index) for index in range(d)))


def _task(
    family: str,
    index: int,
    space: SearchSpace,
    base: Callable[[Array], Array],
    home: Array,
    rng: np.random.Generator,
) -> Task:
    d = len(space)
    centre = np.clip(home + rng.normal(0, _SHIFT, d), 0.02, 0.98)
    turn, triangle = np.linalg.qr(np.eye(d) + rng.normal(0, _TURN, (d, d)) / np.sqrt(d / 2))
    shape = (turn * np.sign(np.diag(triangle))) * np.exp(rng.normal(0, _STRETCH, d))
    scale, offset = float(np.exp(rng.normal(0, 0.7))), float(rng.normal(0, 3))

    def values(u: Array) -> Array:
        return offset + scale * base((u - centre) @ shape.T)

    def evaluate(params: Params) -> float:
        u = [place(parameter, params[parameter.name]) for parameter in space.parameters]
        return float(values(np.array([u]))[0])

    random = np.random.default_rng(index).random((_RANDOM, d))
    return Task(
        name=f"{index:02d}",
        family=family,
        space=space,
        evaluate=evaluate,
        best=offset,
        median=float(np.median(values(random))),
    )
