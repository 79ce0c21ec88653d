"""A hypermodel in the style of KerasTuner's guides: what both sides tune, without a change.

It notes when each training begins and ends in the file that SIDE_BY_SIDE_LOG names, so that both
sides are measured in the same way.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np

EPOCHS = 15
_TRAIN, _CLASSES = 400, 10


class DigitsHyperModel(keras_tuner.HyperModel):  # type: ignore[misc]
    """A dense network on the digits of scikit-learn."""

    def build(self, hp: Any) -> Any:
        """Return the compiled model of one configuration."""
        model = keras.Sequential([keras.Input((64,))])
        for layer in range(hp.Int("layers", 1, 3)):
            with hp.conditional_scope("layers", list(range(layer + 1, 4))):
                units = hp.Int(f"units_{layer}", 16, 256, step=16)
            model.add(
                keras.layers.Dense(units, activation=hp.Choice("activation", ["relu", "tanh"]))
            )
            if hp.Boolean("batch_norm"):
                model.add(keras.layers.BatchNormalization())
            model.add(keras.layers.Dropout(hp.Float("dropout", 0.0, 0.6, step=0.1)))
        model.add(keras.layers.Dense(_CLASSES, activation="softmax"))
        rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
        kind = hp.Choice("optimizer", ["adam", "sgd"])
        with hp.conditional_scope("optimizer", ["sgd"]):
            momentum = hp.Float("momentum", 0.0, 0.95)
        optimizer = (
            keras.optimizers.SGD(rate, momentum) if kind == "sgd" else keras.optimizers.Adam(rate)
        )
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Train; the batch size is met only here."""
        note = Notes(dict(hp.values))
        size = hp.Choice("batch_size", [16, 32, 64, 128])
        callbacks = [*(kwargs.pop("callbacks", None) or []), note.callback()]
        try:
            return model.fit(*args, batch_size=size, callbacks=callbacks, **kwargs)
        finally:
            note.end(dict(hp.values))


class Notes:
    """Notes one training; mutable."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._losses: list[float] = []
        _write({"event": "begin", "pid": os.getpid(), "values": values})

    def callback(self) -> Any:
        """Return a callback that keeps the losses."""
        return keras.callbacks.LambdaCallback(
            on_epoch_end=lambda _, logs: self._losses.append(float(logs["val_loss"]))
        )

    def end(self, values: dict[str, Any]) -> None:
        """Note the end."""
        best = min((loss for loss in self._losses if np.isfinite(loss)), default=None)
        entry = {"event": "end", "pid": os.getpid(), "values": values}
        _write({**entry, "loss": best, "epochs": len(self._losses)})


def _write(entry: dict[str, Any]) -> None:
    line = json.dumps({"at": time.time(), **entry}, default=str) + "\n"
    with Path(os.environ["SIDE_BY_SIDE_LOG"]).open("a") as file:
        file.write(line)


def load() -> dict[str, Any]:
    """Return the arguments of `fit`."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x, y = (digits.data / 16).astype("float32"), digits.target
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:_TRAIN], order[_TRAIN:]
    return {
        "x": x[train],
        "y": y[train],
        "validation_data": (x[test], y[test]),
        "epochs": EPOCHS,
        "verbose": 0,
    }
