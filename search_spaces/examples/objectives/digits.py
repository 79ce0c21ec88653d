"""Classify scikit-learn's bundled digits, 1 797 real 8x8 images, with a small convolutional net."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from workers import Run

CLASSES = 10
EPOCHS = 15
# Keras' 0.99 averages over hundreds of steps; an epoch here has as few as 11.
BATCH_NORM_MOMENTUM = 0.9


def train(run: Run) -> float:
    """Train one configuration and return its best validation accuracy."""
    # Workers train side by side, and images this small keep no more than one core busy: with
    # TensorFlow's default of a thread per core, each worker would slow the others down.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    x_train, x_val, y_train, y_val = load_images()
    model = build(run.params)
    model.compile(
        optimizer=make_optimizer(run.params),
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
    """Return x_train, x_val, y_train, y_val; the split is the same for every trial."""
    digits = load_digits()
    images = (digits.images / 16.0).astype("float32")[..., np.newaxis]
    return train_test_split(
        images, digits.target, test_size=0.25, stratify=digits.target, random_state=0
    )


def build(params: dict) -> keras.Model:
    """Build the network that `model.*` describes; images have shape (8, 8, 1)."""
    layers: list[keras.layers.Layer] = [keras.Input((8, 8, 1))]
    for depth in range(params["model.layers"]):
        filters = params["model.filters"] * 2**depth
        layers.append(keras.layers.Conv2D(filters, 3, padding="same", use_bias=False))
        if params["model.batch_norm"]:
            layers.append(keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM))
        layers.append(keras.layers.Activation(params["model.activation"]))
        layers.append(keras.layers.MaxPooling2D(2))
    layers.append(keras.layers.Flatten())
    layers.append(keras.layers.Dropout(params["model.dropout_rate"]))
    layers.append(keras.layers.Dense(CLASSES, activation="softmax"))
    return keras.Sequential(layers)


def make_optimizer(params: dict) -> keras.optimizers.Optimizer:
    """Return the optimizer that `train.*` describes; only sgd has a momentum."""
    learning_rate = params["train.learning_rate"]
    if params["train.optimizer"] == "sgd":
        return keras.optimizers.SGD(learning_rate, momentum=params["train.momentum"])
    return keras.optimizers.Adam(learning_rate)
