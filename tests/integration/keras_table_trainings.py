"""Trains some configurations of the Keras table anew and prints their curves as JSON.

In a process of its own: TensorFlow's threads are set before its first use or never.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from tests.benchmarks.keras_table import training
from tests.benchmarks.keras_table.datasets import Dataset, load_dataset
from tests.benchmarks.keras_table.table import load_table
from tuner.space import Params


def main(dataset_name: str, rows: list[int]) -> dict[str, Any]:
    """Return by configuration its curves, and `fit`: the first one's, by Keras' own `fit`."""
    training.prepare_tensorflow()
    dataset = load_dataset(dataset_name)
    configurations = load_table()[dataset_name].configurations
    curves: dict[str, Any] = {}
    for row in rows:
        seed = training.seed_of(0, dataset_name, row)
        run = training.Trainer(configurations[row], dataset.kind).run(dataset, seed)
        curves[str(row)] = {"loss": list(run.loss), "val_loss": list(run.val_loss)}
    return {**curves, "fit": _fit(dataset, configurations[rows[0]], rows[0])}


def _fit(dataset: Dataset, params: Params, row: int) -> dict[str, list[float]]:
    """Train a network of the dataset's own widths, nothing padded, with `Model.fit`."""
    seed = training.seed_of(0, dataset.name, row)
    widths = {"features": dataset.features, "outputs": dataset.outputs}
    network = training.make_network(params, dataset.kind, **widths)
    training.set_weights(network, dataset.features, dataset.outputs, seed)
    curves: dict[str, list[float]] = {"loss": [], "val_loss": []}
    for order in training.orders(len(dataset.x_train), seed)[:5]:
        history = network.fit(
            dataset.x_train[order],
            dataset.y_train[order],
            validation_data=(dataset.x_val, dataset.y_val),
            batch_size=int(params["train.batch_size"]),
            shuffle=False,
            verbose=0,
        )
        for name, values in curves.items():
            values += [float(value) for value in np.atleast_1d(history.history[name])]
    return curves


if __name__ == "__main__":
    json.dump(main(sys.argv[1], [int(row) for row in sys.argv[2:]]), sys.stdout)
