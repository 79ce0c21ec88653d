"""Say whether brackets are balanced, with a small Transformer encoder; the rows are generated."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import layers

from workers import Run

LENGTH = 12
ROWS = 1200
EPOCHS = 6


def train(run: Run) -> float:
    """Train one configuration and return its lowest validation loss."""
    keep_to_one_core()
    rows, balanced = make_brackets(ROWS)
    split = ROWS * 3 // 4
    batch_size = run.params["train.batch_size"]
    steps = EPOCHS * math.ceil(split / batch_size)
    model = build(run.params)
    model.compile(
        keras.optimizers.AdamW(
            make_schedule(run.params, steps),
            weight_decay=run.params["train.weight_decay"],
            beta_2=run.params["train.beta_2"],
        ),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(
        rows[:split],
        balanced[:split],
        validation_data=(rows[split:], balanced[split:]),
        batch_size=batch_size,
        epochs=EPOCHS,
        verbose=2,
        callbacks=[run.keras_callback(metric="val_loss")],
    )
    return float(min(history.history["val_loss"]))


def make_brackets(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of 0 (opening) and 1 (closing), shape (count, LENGTH), and whether each is right.

    Half of them are balanced; in the others, brackets of a balanced one changed places.
    """
    random = np.random.default_rng(0)
    rows = np.zeros((count, LENGTH), dtype="int32")
    balanced = np.zeros(count, dtype="float32")
    for number, row in enumerate(rows):
        depth = 0
        for place in range(LENGTH):
            left = LENGTH - place
            closes = depth == left or (depth > 0 and random.random() < 0.5)
            row[place] = closes
            depth += -1 if closes else 1
        balanced[number] = number % 2
        while not balanced[number] and np.cumsum(1 - 2 * row).min() >= 0:
            first, second = random.choice(LENGTH, 2, replace=False)
            row[[first, second]] = row[[second, first]]
    return rows, balanced


def make_schedule(params: dict[str, Any], steps: int) -> keras.optimizers.schedules.CosineDecay:
    """Return a rise to the learning rate, and a cosine down to nothing in the other steps."""
    warmup = round(params["train.warmup_fraction"] * steps)
    rate = params["train.learning_rate"]
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(rate, steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=rate, warmup_steps=warmup
    )


def build(params: dict[str, Any]) -> keras.Model:
    """Build the encoder that `model.*` describes."""
    width = params["model.width"]
    inputs = keras.Input((LENGTH,), dtype="int32")
    x = layers.Embedding(2, width)(inputs)
    x = Positions(width, is_learned=params["model.position"] == "learned")(x)
    for _ in range(params["model.layers"]):
        attention = layers.MultiHeadAttention(params["model.heads"], width // params["model.heads"])
        x = around(x, lambda y, layer=attention: layer(y, y), params)
        x = around(x, lambda y: feed_forward(y, params), params)
    if params["model.norm"] == "pre":
        x = layers.LayerNormalization()(x)
    pooling = {"mean": layers.GlobalAveragePooling1D, "max": layers.GlobalMaxPooling1D}
    x = pooling[params["model.pooling"]]()(x)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def around(x: Any, part: Any, params: dict[str, Any]) -> Any:
    """Return `x` with what a part of the layer adds to it, normalised before or after."""
    drop = layers.Dropout(params["model.dropout_rate"])
    if params["model.norm"] == "pre":
        return layers.Add()([x, drop(part(layers.LayerNormalization()(x)))])
    return layers.LayerNormalization()(layers.Add()([x, drop(part(x))]))


def feed_forward(x: Any, params: dict[str, Any]) -> Any:
    """Return `x` after the two layers that see one place each."""
    width = params["model.width"]
    hidden = layers.Dense(width * params["model.feedforward_factor"], activation="gelu")(x)
    return layers.Dense(width)(hidden)


@keras.saving.register_keras_serializable("examples")
class Positions(layers.Layer):
    """Adds to each place what tells it from the others, by weights or by sines of its number."""

    def __init__(self, width: int, *, is_learned: bool, **options: Any) -> None:
        super().__init__(**options)
        self.width, self.is_learned = width, is_learned
        place = np.arange(LENGTH)[:, np.newaxis]
        rate = np.exp(-math.log(10_000.0) * (np.arange(width) // 2 * 2) / width)
        angles = place * rate
        sines = np.where(np.arange(width) % 2, np.cos(angles), np.sin(angles)).astype("float32")
        self.table = (
            self.add_weight(shape=(LENGTH, width), initializer="uniform") if is_learned else sines
        )

    def call(self, x: Any) -> Any:
        """Return `x`, shape (rows, LENGTH, width), with the places added."""
        return x + keras.ops.convert_to_tensor(self.table)

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model needs to make the layer again."""
        return {**super().get_config(), "width": self.width, "is_learned": self.is_learned}


def keep_to_one_core() -> None:
    """Have TensorFlow take one core: workers train side by side, and models are small here."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
