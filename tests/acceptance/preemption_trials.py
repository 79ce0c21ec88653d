"""A small real training for the tests of preemption: digits, Adam, one number per epoch."""

# ruff: noqa: T201 - what it prints is counted

from __future__ import annotations

import time
from typing import Any

import numpy as np

from workers import Run


def train(run: Run) -> Any:
    """Train on the digits; every epoch is slowed down, and says that it began and ended."""
    import keras

    class Spoken(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            print("BEGIN", epoch + 1, flush=True)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            time.sleep(run.params["pause"])

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            print("END", epoch + 1, flush=True)

    data = np.load(run.params["data"])
    x, y = data["x"], data["y"]
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, "relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.003)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    # Not shuffled, so that a continued training can be compared with one that was left alone.
    return model.fit(
        x[:1000],
        y[:1000],
        validation_data=(x[1000:], y[1000:]),
        epochs=run.params["epochs"],
        batch_size=100,
        shuffle=False,
        verbose=0,
        callbacks=[Spoken(), run.keras_callback(checkpoint_every_s=run.params["every_s"])],
    )
