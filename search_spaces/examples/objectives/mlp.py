"""Classify scikit-learn's bundled digits, 1 797 real 8x8 images, with a multilayer perceptron."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from workers import Run

CLASSES = 10
EPOCHS = 10


def train(run: Run) -> float:
    """Train one configuration and return its best validation accuracy."""
    return fit(run, load_images())


def fit(run: Run, images: list[np.ndarray]) -> float:
    """Train on x_train, x_val, y_train, y_val as `load_images` returns them."""
    keep_to_one_core()
    x_train, x_val, y_train, y_val = images
    model = build(run.params)
    model.compile(
        keras.optimizers.AdamW(
            run.params["train.learning_rate"],
            weight_decay=run.params["train.weight_decay"],
            beta_1=run.params["train.beta_1"],
            beta_2=run.params["train.beta_2"],
        ),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(
        x_train,
        y_train,
        validation_data=(x_val, y_val),
        batch_size=run.params["train.batch_size"],
        epochs=EPOCHS,
        verbose=2,
        callbacks=[run.keras_callback(metric="val_accuracy")],
    )
    return float(max(history.history["val_accuracy"]))


def load_images() -> list[np.ndarray]:
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
    units = params["model.units"]
    for _ in range(params["model.layers"]):
        layers.append(keras.layers.Dense(units, use_bias=not params["model.batch_norm"]))
        if params["model.batch_norm"]:
            # Keras' 0.99 averages over hundreds of steps; an epoch here has as few as 11.
            layers.append(keras.layers.BatchNormalization(momentum=0.9))
        layers.append(keras.layers.Activation(params["model.activation"]))
        layers.append(keras.layers.Dropout(params["model.dropout_rate"]))
        if params["model.shape"] == "pyramid":
            units = max(units // 2, CLASSES)
    layers.append(keras.layers.Dense(CLASSES, activation="softmax"))
    return keras.Sequential(layers)


def keep_to_one_core() -> None:
    """Have TensorFlow take one core: workers train side by side, and models are small here."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
