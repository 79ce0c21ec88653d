"""A search of stock KerasTuner as its guides write it: `stock.py KIND FOLDER TRIALS SEED`."""

from __future__ import annotations

import sys
from typing import Any

import keras
import keras_tuner

from tests.benchmarks.side_by_side.digits_hypermodel import EPOCHS, DigitsHyperModel, load

#: Whoever starts a search with a pruner ends it when its epochs are used up.
_PLENTY = 100


def search(kind: str, folder: str, trials: int, seed: int) -> None:
    """Search, or go on with the search of a folder."""
    keras.utils.set_random_seed(seed)
    common: dict[str, Any] = {
        "hypermodel": DigitsHyperModel(),
        "objective": keras_tuner.Objective("val_loss", "min"),
        "seed": seed,
        "directory": folder,
        "project_name": "digits",
    }
    if kind == "hyperband":
        tuner = keras_tuner.Hyperband(max_epochs=EPOCHS, hyperband_iterations=_PLENTY, **common)
    else:
        tuner = keras_tuner.BayesianOptimization(max_trials=trials, **common)
    tuner.search(**load())


if __name__ == "__main__":
    search(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
