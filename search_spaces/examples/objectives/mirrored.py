"""Classify scikit-learn's digits in Keras on all devices of the trial: tf.distribute."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from workers import Run

CLASSES = 10
EPOCHS = 10
#: Without a GPU the processor stands in, in so many parts: to try the code, not to be fast.
STAND_INS = 2


def train(run: Run) -> float:
    """Train one configuration and return its best validation accuracy."""
    strategy = tf.distribute.MirroredStrategy(name_devices(run))
    # Every replica keeps a copy of what is made in here.
    with strategy.scope():
        model = build(run.params)
        model.compile(
            keras.optimizers.Adam(run.params["train.learning_rate"]),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
    x_train, x_val, y_train, y_val = load_images()
    history = model.fit(
        x_train,
        y_train,
        validation_data=(x_val, y_val),
        # Of all replicas together: each gets its part of it.
        batch_size=run.params["train.batch_size"],
        epochs=EPOCHS,
        verbose=2,
        callbacks=[run.keras_callback(metric="val_accuracy")],
    )
    return float(max(history.history["val_accuracy"]))


def name_devices(run: Run) -> list[str]:
    """Return TensorFlow's names of the trial's devices; the process sees no others."""
    if tf.config.list_physical_devices("GPU"):
        return [f"GPU:{number}" for number in range(len(run.devices))]
    (processor,) = tf.config.list_physical_devices("CPU")
    if tf.config.get_logical_device_configuration(processor) is None:
        parts = [tf.config.LogicalDeviceConfiguration()] * STAND_INS
        tf.config.set_logical_device_configuration(processor, parts)
    return [f"CPU:{number}" for number in range(STAND_INS)]


def load_images() -> Any:
    """Return x_train, x_val, y_train, y_val; an image has shape (64,), with values 0 to 1."""
    digits = load_digits()
    return train_test_split(
        (digits.data / 16.0).astype("float32"),
        digits.target,
        test_size=0.25,
        stratify=digits.target,
        random_state=0,
    )


def build(params: dict[str, Any]) -> keras.Model:
    """Build the network that `model.*` describes."""
    layers: list[keras.layers.Layer] = [keras.Input((64,))]
    for _ in range(params["model.layers"]):
        layers.append(keras.layers.Dense(params["model.units"], activation="relu"))
    layers.append(keras.layers.Dropout(params["model.dropout_rate"]))
    return keras.Sequential([*layers, keras.layers.Dense(CLASSES, activation="softmax")])
