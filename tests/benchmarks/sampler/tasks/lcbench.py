"""LCBench: trainings of multilayer perceptrons, by a surrogate that is read with onnxruntime.

The folder holds `lcbench/model.onnx`, `config_space.json`, `encoding.json` and `tasks.json`.
The surrogate has no noise and is smooth, which flatters Gaussian processes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.sampler.tasks.task import NoDataError, Task
from tuner.space import Params, SearchSpace

EPOCHS = 52
#: The network's order of its numbers, and which of its outputs is the accuracy in per cent.
_NUMBERS = (
    "epoch",
    "batch_size",
    "learning_rate",
    "momentum",
    "weight_decay",
    "num_layers",
    "max_units",
    "max_dropout",
)
_ACCURACY = 1
_LOGARITHMIC = ("batch_size", "learning_rate", "max_units")


def lcbench_tasks(folder: Path | None) -> list[Task]:
    """Return the tasks of the folder.

    Raises:
        NoDataError: no folder was given, it holds no surrogate, or onnxruntime is missing.
    """
    home = None if folder is None else folder / "lcbench"
    if home is None or not (home / "model.onnx").is_file():
        raise NoDataError("lcbench: give --data FOLDER, one that holds lcbench/model.onnx")
    listed = json.loads((home / "tasks.json").read_text())
    codes = json.loads((home / "encoding.json").read_text())["OpenML_task_id"]
    space = _space(json.loads((home / "config_space.json").read_text()))
    network = _Network(home / "model.onnx")
    return [
        _task(network, space, name, codes[name], listed["reference"][name])
        for name in listed["lcbench"]
    ]


class _Network:
    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError as exc:
            raise NoDataError("lcbench: needs onnxruntime: pip install onnxruntime") from exc
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def errors(self, code: int, params: Params, epochs: Sequence[int]) -> list[float]:
        """Return the validation error in per cent after each of `epochs`."""
        fixed = [float(params[name]) for name in _NUMBERS[1:]]
        numbers = np.array([[epoch, *fixed] for epoch in epochs], dtype=np.float32)
        choice = np.full((len(epochs), 1), code, dtype=np.int32)
        (out,) = self._session.run(None, {"x_cat": choice, "x_cont": numbers})
        return [100.0 - float(value) for value in out[:, _ACCURACY]]


def _task(
    network: _Network, space: SearchSpace, name: str, code: int, reference: dict[str, Any]
) -> Task:
    return Task(
        name=name,
        family="lcbench",
        space=space,
        evaluate=lambda params: network.errors(code, params, [EPOCHS])[0],
        best=reference["best"],
        median=reference["median"],
        curve=lambda params: network.errors(code, params, range(1, EPOCHS + 1)),
        healthy=reference["healthy"],
    )


def _space(config: dict[str, Any]) -> SearchSpace:
    items = {item["name"]: item for item in config["hyperparameters"]}
    names = sorted(_NUMBERS[1:])
    return SearchSpace.from_json({"parameters": {name: _definition(items[name]) for name in names}})


def _definition(item: dict[str, Any]) -> dict[str, Any]:
    definition = {
        "type": "int" if item["type"] == "uniform_int" else "float",
        "low": item["lower"],
        "high": item["upper"],
    }
    return definition | ({"log": True} if item["name"] in _LOGARITHMIC else {})
