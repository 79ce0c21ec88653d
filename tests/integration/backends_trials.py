"""Objectives in Keras that say nothing of its backend; tests run them on each of the three."""

# ruff: noqa: T201 - what they print is what is tested

from __future__ import annotations

import hashlib
import os
from typing import Any

import numpy as np

from workers import Run


def build(run: Run) -> tuple[Any, np.ndarray, np.ndarray]:
    import keras

    generator = np.random.default_rng(0)
    x = generator.normal(size=(64, 4)).astype("float32")
    y = (x.sum(axis=1) > 0).astype("int32")
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "sigmoid")]
    )
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    return model, x, y


def train(run: Run) -> Any:
    """Train without shuffling; the process dies after the epoch `dies` of its first attempt."""
    import keras

    model, x, y = build(run)
    print("BACKEND", repr(keras.config.backend()))
    print("BEGINS", repr(digest(model)))

    class Dies(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if run.attempt == 1 and epoch + 1 == run.params.get("dies"):
                os._exit(3)

    history = model.fit(
        x,
        y,
        epochs=run.params.get("epochs", 6),
        batch_size=16,
        shuffle=run.params.get("shuffle", False),
        validation_data=(x, y),
        verbose=0,
        callbacks=[run.keras_callback(checkpoint_every_s=0.0), Dies()],
    )
    print("ITERATIONS", int(model.optimizer.iterations))
    print("LOSSES", history.history["loss"])
    print("ENDS", repr(digest(model)))
    return history


def build_model(hp: Any) -> Any:
    """Build as KerasTuner's guides do."""
    import keras

    print("BACKEND", repr(keras.config.backend()))
    units = hp.Int("units", 8, 32, step=8)
    rate = hp.Float("rate", 0.05, 0.5, sampling="log")
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(1, "sigmoid")]
    )
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"])
    return model


def data() -> dict[str, Any]:
    """Return the arguments of `fit`."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(64, 4)).astype("float32")
    y = (x.sum(axis=1) > 0).astype("int32")
    return {"x": x, "y": y, "validation_data": (x, y), "epochs": 2, "verbose": 0}


def digest(model: Any) -> str:
    """Return the hash of all weights."""
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()
