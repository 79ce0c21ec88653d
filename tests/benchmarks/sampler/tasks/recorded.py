"""Recorded runs of others, from `tabular/*.npz` of the folder: exhaustive grids, and pools.

`svm50` is a complete grid of 288 trainings: a finite space, so any sampler plays it as it is.
`xgboost10` and `deepar10` are hundreds or thousands of random configurations of a continuous space:
a method may only choose among those (`Task.pool`); its nearest neighbour would be another problem.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.sampler.tasks.task import Array, NoDataError, Task
from tuner.space import Params, SearchSpace

#: So many configurations of a pool are used: with more, loading takes longer than tuning.
_POOL = 1500
_KERNELS = ("rbf", "poly", "linear")


def recorded_tasks(folder: Path | None, name: str) -> list[Task]:
    """Return the tasks of one archive.

    Raises:
        NoDataError: no folder was given, or it holds no such archive.
    """
    path = None if folder is None else folder / "tabular" / f"{name}.npz"
    if path is None or not path.is_file():
        raise NoDataError(f"{name}: give --data FOLDER, one that holds tabular/{name}.npz")
    about = json.loads(path.with_suffix(".json").read_text())
    with np.load(path, allow_pickle=False) as archive:
        make = _svm if name == "svm50" else _pool
        return [
            make(task, np.asarray(archive[f"{task}|X"]), np.asarray(archive[f"{task}|y"]), about)
            for task in about["tasks"]
        ]


def _svm(task: str, x: Array, y: Array, _about: dict[str, Any]) -> Task:
    rows = [_svm_params(row) for row in x.round(9)]
    # Powers of 2 and of 10: their order is all that an ordinal keeps, and all that it needs.
    values = {
        name: sorted({row[name] for row in rows if name in row}) for name in rows[0] | {"degree": 0}
    }
    space = SearchSpace.from_json(
        {
            "parameters": {
                "kernel": {"type": "categorical", "values": list(_KERNELS)},
                "C": {"type": "ordinal", "values": values["C"]},
                "gamma": {
                    "type": "ordinal",
                    "values": values["gamma"],
                    "when": {"kernel": ["rbf"]},
                },
                "degree": {
                    "type": "ordinal",
                    "values": values["degree"],
                    "when": {"kernel": ["poly"]},
                },
            }
        }
    )
    table = {space.key(params): float(value) for params, value in zip(rows, y, strict=True)}
    return Task(
        name=task,
        family="svm",
        space=space,
        evaluate=lambda params: table[space.key(params)],
        best=float(y.min()),
        median=float(np.median(y)),
    )


def _svm_params(row: Array) -> Params:
    kernel = _KERNELS[int(np.argmax(row[:3]))]
    params: Params = {"kernel": kernel, "C": float(2 ** round(6 * row[3]))}
    if kernel == "rbf":
        params["gamma"] = float(f"{10 ** (4 * row[4]):.1g}")
    elif kernel == "poly":
        params["degree"] = round(10 ** float(row[5]))
    return params


def _pool(task: str, x: Array, y: Array, about: dict[str, Any]) -> Task:
    x, y = x[:_POOL], y[:_POOL]
    family = about["name"].removesuffix("10")
    space = SearchSpace.from_json(
        {"parameters": {i["name"]: _definition(i) for i in about["space"]}}
    )
    rows = tuple(
        space.walk(lambda p, row=row: row[p.name])  # type: ignore[misc]
        for row in (dict(zip(about["columns"], r, strict=True)) for r in x.tolist())
    )
    # A configuration that was trained twice keeps its first value.
    table: dict[str, float] = {}
    pool: dict[str, Params] = {}
    for params, value in zip(rows, y, strict=True):
        table.setdefault(space.key(params), float(value))
        pool.setdefault(space.key(params), params)
    return Task(
        name=task,
        family=family,
        space=space,
        evaluate=lambda params: table[space.key(params)],
        best=float(y.min()),
        median=float(np.median(y)),
        pool=tuple(pool.values()),
    )


def _definition(item: dict[str, Any]) -> dict[str, Any]:
    if item["type"] == "int":
        return {"type": "int", "low": item["lower"], "high": item["upper"]}
    # A hair wider: the ranges are those of the records, in fewer digits.
    return {"type": "float", "low": item["lower"] - 1e-9, "high": item["upper"] + 1e-9}
