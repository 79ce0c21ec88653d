"""Classify scikit-learn's bundled digits, 1 797 real 8x8 images, with a convolutional net."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from workers import Run

CLASSES = 10
EPOCHS = 5


def train(run: Run) -> float:
    """Train one configuration and return its best validation accuracy."""
    keep_to_one_core()
    x_train, x_val, y_train, y_val = load_images()
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
    """Return x_train, x_val, y_train, y_val; an image has shape (8, 8, 1), with values 0 to 1."""
    digits = load_digits()
    images = (digits.images / 16.0).astype("float32")[..., np.newaxis]
    return train_test_split(
        images, digits.target, test_size=0.25, stratify=digits.target, random_state=0
    )


def build(params: dict[str, Any]) -> keras.Model:
    """Build the network that `model.*` describes."""
    inputs = keras.Input((8, 8, 1))
    x = inputs
    for depth in range(params["model.blocks"]):
        x = block(x, params, params["model.filters"] * 2**depth)
        x = layers.MaxPooling2D(2)(x)
    pooling = {
        "average": layers.GlobalAveragePooling2D,
        "max": layers.GlobalMaxPooling2D,
        "flatten": layers.Flatten,
    }
    x = pooling[params["model.pooling"]]()(x)
    x = layers.Dense(params["model.dense_units"], activation="relu")(x)
    x = layers.Dropout(params["model.dropout_rate"])(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x))


def block(x: Any, params: dict[str, Any], filters: int) -> Any:
    """Return `x`, shape (images, rows, columns, channels), after the convolutions of one block."""
    start = x
    for _ in range(params["model.convolutions"]):
        size = params["model.kernel_size"]
        x = layers.Conv2D(filters, size, padding="same", use_bias=not params["model.batch_norm"])(x)
        if params["model.batch_norm"]:
            # Keras' 0.99 averages over hundreds of steps; an epoch here has as few as 11.
            x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Activation("relu")(x)
    # The condition: there is something to skip over.
    if params.get("model.residual", False):
        x = layers.Add()([x, layers.Conv2D(filters, 1)(start)])
    return x


def keep_to_one_core() -> None:
    """Have TensorFlow take one core: workers train side by side, and models are small here."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
