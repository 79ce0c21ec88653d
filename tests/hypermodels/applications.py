"""KerasTuner's own hypermodels, as its users put them into a module."""

from __future__ import annotations

from typing import Any

import keras
import keras_tuner
import numpy as np

random = np.random.default_rng(0)
resnet = keras_tuner.applications.HyperResNet(input_shape=(32, 32, 3), classes=2)
xception = keras_tuner.applications.HyperXception(input_shape=(71, 71, 3), classes=2)


class Augmented(keras_tuner.HyperModel):
    """HyperImageAugment before a small classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.augment = keras_tuner.applications.HyperImageAugment(input_shape=(16, 16, 3))

    def build(self, hp: Any) -> Any:
        """Return the augmentation with a layer of weights behind it."""
        model = keras.Sequential([self.augment.build(hp)])
        model.add(keras.layers.Flatten())
        model.add(keras.layers.Dense(2, activation="softmax"))
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        return model


def small() -> dict[str, Any]:
    return _data(32)


def large() -> dict[str, Any]:
    return _data(71)


def tiny() -> dict[str, Any]:
    return _data(16)


def _data(size: int) -> dict[str, Any]:
    images = random.uniform(size=(4, size, size, 3)).astype("float32")
    labels = np.eye(2)[[0, 1, 0, 1]]
    data = (images, labels)
    return {"x": images, "y": labels, "validation_data": data, "epochs": 1, "verbose": 0}
