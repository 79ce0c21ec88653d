"""Tell friendly from unfriendly reviews with an LSTM or GRU; the reviews are generated.

Words alone do not tell: `not` turns the next opinion round, and `but` makes the last one count.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from workers import Run

FRIENDLY = ["good", "great", "fine", "lovely", "bright", "calm"]
UNFRIENDLY = ["bad", "awful", "poor", "ugly", "dull", "loud"]
OTHER = ["the", "room", "food", "staff", "was", "very"]
WORDS = [*OTHER, "not", "but", *FRIENDLY, *UNFRIENDLY]
LONGEST = 12
REVIEWS = 1600
EPOCHS = 6


def train(run: Run) -> float:
    """Train one configuration and return its lowest validation loss."""
    keep_to_one_core()
    texts, friendly = make_reviews(REVIEWS)
    tokens = encode(texts, run.params["data.vocabulary"], run.params["data.max_tokens"])
    split = REVIEWS * 3 // 4
    model = build(run.params)
    model.compile(
        keras.optimizers.Adam(
            run.params["train.learning_rate"], global_clipnorm=run.params["train.gradient_clip"]
        ),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(
        tokens[:split],
        friendly[:split],
        validation_data=(tokens[split:], friendly[split:]),
        batch_size=run.params["train.batch_size"],
        epochs=EPOCHS,
        verbose=2,
        callbacks=[run.keras_callback(metric="val_loss")],
    )
    return float(min(history.history["val_loss"]))


def make_reviews(count: int) -> tuple[list[list[str]], np.ndarray]:
    """Return reviews, each a list of words, and whether each is friendly, shape (count,)."""
    random = np.random.default_rng(0)
    texts: list[list[str]] = []
    labels: list[float] = []
    for _ in range(count):
        text: list[str] = []
        opinion = 0
        for clause in range(random.integers(1, 3)):
            if clause:
                text.append("but")
            text += list(random.choice(OTHER, random.integers(1, 4)))
            opinion = int(random.choice([-1, 1]))
            text.append(str(random.choice(FRIENDLY if opinion > 0 else UNFRIENDLY)))
            if random.random() < 0.3:
                text.insert(-1, "not")
                opinion = -opinion
        texts.append(text[:LONGEST])
        labels.append(float(opinion > 0))
    return texts, np.array(labels, dtype="float32")


def encode(texts: list[list[str]], vocabulary: int, length: int) -> np.ndarray:
    """Return tokens of shape (texts, length): 0 before a text, 1 a word that is not known."""
    numbers = {word: number for number, word in enumerate(WORDS[: vocabulary - 2], 2)}
    rows = np.zeros((len(texts), length), dtype="int32")
    for row, text in zip(rows, texts, strict=True):
        # Where a text is too long its end is kept, which is what counts.
        known = [numbers.get(word, 1) for word in text][-length:]
        row[length - len(known) :] = known
    return rows


def build(params: dict[str, Any]) -> keras.Model:
    """Build the network that `model.*` describes."""
    inputs = keras.Input((params["data.max_tokens"],), dtype="int32")
    x = layers.Embedding(params["data.vocabulary"], params["model.embedding_size"])(inputs)
    x = layers.SpatialDropout1D(params["model.embedding_dropout"])(x)
    cell = {"lstm": layers.LSTM, "gru": layers.GRU}[params["model.cell"]]
    for depth in range(params["model.layers"]):
        is_last = depth == params["model.layers"] - 1
        keeps_steps = not is_last or params["model.pooling"] != "last"
        layer = cell(params["model.units"], return_sequences=keeps_steps)
        x = (layers.Bidirectional(layer) if params["model.bidirectional"] else layer)(x)
    if params["model.pooling"] == "max":
        x = layers.GlobalMaxPooling1D()(x)
    elif params["model.pooling"] == "average":
        x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(params["model.dropout_rate"])(x)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def keep_to_one_core() -> None:
    """Have TensorFlow take one core: workers train side by side, and models are small here."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
