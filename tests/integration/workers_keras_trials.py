"""Objectives with real Keras models for tests of the callback."""

# ruff: noqa: T201 - what they print is what is tested

from __future__ import annotations

import time
from typing import Any

import numpy as np

from workers import Run


def build(run: Run, *, momentum: float = 0.9) -> tuple[Any, np.ndarray, np.ndarray]:
    import keras

    generator = np.random.default_rng(0)
    x = generator.normal(size=(64, 4)).astype("float32")
    y = (x.sum(axis=1) > 0).astype("int32")
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "sigmoid")]
    )
    model.compile(
        keras.optimizers.SGD(run.params.get("rate", 0.05), momentum=momentum),
        "binary_crossentropy",
        metrics=["accuracy"],
    )
    return model, x, y


def train(run: Run) -> Any:
    """Six epochs without shuffling, so that a continued training can be compared exactly."""
    import keras

    model, x, y = build(run)

    class Slow(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            time.sleep(run.params.get("sleep", 0.0))

    history = model.fit(
        x,
        y,
        epochs=run.params.get("epochs", 6),
        batch_size=16,
        shuffle=False,
        validation_data=(x, y),
        verbose=0,
        callbacks=[
            run.keras_callback(checkpoint_every_s=run.params.get("every_s", 60.0)),
            Slow(),
        ],
    )
    print("EPOCHS", history.epoch)
    print("ITERATIONS", int(model.optimizer.iterations))
    print("LOSSES", history.history["loss"])
    return history


def train_wrong_metric(run: Run) -> Any:
    model, x, y = build(run)
    return model.fit(x, y, verbose=0, callbacks=[run.keras_callback(metric="val_acuracy")])


def train_diverging(run: Run) -> float:
    import keras

    _, x, y = build(run)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e30), "mse")
    model.fit(x, y, epochs=50, verbose=0, callbacks=[run.keras_callback("loss")])
    print("GOES_ON", 1)
    return 1.0


def exhaust(run: Run) -> float:
    import tensorflow as tf

    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
