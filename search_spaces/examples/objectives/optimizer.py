"""Find the optimizer and schedule for one small net on scikit-learn's bundled digits."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from workers import Run

CLASSES = 10
EPOCHS = 10
BATCH_SIZE = 64


def train(run: Run) -> float:
    """Train with one configuration and return the lowest validation loss."""
    keep_to_one_core()
    x_train, x_val, y_train, y_val = load_images()
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(128, "relu"),
            keras.layers.Dense(128, "relu"),
            # Muon knows by the name that this one is not for it.
            keras.layers.Dense(CLASSES, "softmax", name="classes"),
        ]
    )
    model.compile(
        make_optimizer(run.params, steps=EPOCHS * math.ceil(len(x_train) / BATCH_SIZE)),
        loss="sparse_categorical_crossentropy",
    )
    history = model.fit(
        x_train,
        y_train,
        validation_data=(x_val, y_val),
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
        verbose=2,
        callbacks=[run.keras_callback(metric="val_loss")],
    )
    return float(min(history.history["val_loss"]))


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


def make_optimizer(params: dict[str, Any], steps: int) -> keras.optimizers.Optimizer:
    """Return the optimizer of `train.*`, whose rate goes through its schedule in so many steps."""
    name = params["train.optimizer"]
    own = f"train.{name}.learning_rate"
    rate = Schedule(params, params.get(own, params.get("train.learning_rate")), steps)
    if name == "adam":
        return keras.optimizers.Adam(rate, params["train.beta_1"], params["train.beta_2"])
    if name == "adamw":
        return keras.optimizers.AdamW(
            rate,
            weight_decay=params["train.weight_decay"],
            beta_1=params["train.beta_1"],
            beta_2=params["train.beta_2"],
        )
    if name == "sgd":
        return keras.optimizers.SGD(
            rate,
            momentum=params["train.momentum"],
            nesterov=params["train.nesterov"],
            weight_decay=params["train.weight_decay"],
        )
    if name == "lion":
        return keras.optimizers.Lion(
            rate, beta_1=params["train.beta_1"], weight_decay=params["train.lion.weight_decay"]
        )
    return keras.optimizers.Muon(
        rate,
        momentum=params["train.momentum"],
        weight_decay=params["train.weight_decay"],
        exclude_layers=["classes"],
    )


@keras.saving.register_keras_serializable("examples")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up to the peak, then constant, or down to a share of it.

    Args:
        params: of `train.*`.
        peak: the highest learning rate.
        steps: of the whole training.
    """

    def __init__(self, params: dict[str, Any], peak: float, steps: int) -> None:
        self.params, self.peak, self.steps = params, peak, steps

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at a step, from 0."""
        ops = keras.ops
        step = ops.cast(step, "float32")
        warmup = self.params["train.warmup_fraction"] * self.steps
        rising = ops.minimum(1.0, (step + 1.0) / max(warmup, 1.0))
        done = ops.clip((step - warmup) / max(self.steps - warmup, 1.0), 0.0, 1.0)
        return self.peak * rising * self.falling(done)

    def falling(self, done: Any) -> Any:
        """Return the share of the peak after a share of the way, both 0 to 1."""
        ops = keras.ops
        kind = self.params["train.schedule"]
        last = self.params.get("train.final_fraction", 1.0)
        if kind == "cosine":
            return last + (1.0 - last) * (1.0 + ops.cos(math.pi * done)) / 2.0
        if kind == "linear":
            return 1.0 - (1.0 - last) * done
        # constant: last is 1, and so is every power of it.
        return ops.power(last, done)

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model needs to make the schedule again."""
        return {"params": self.params, "peak": self.peak, "steps": self.steps}


def keep_to_one_core() -> None:
    """Have TensorFlow take one core: workers train side by side, and models are small here."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
