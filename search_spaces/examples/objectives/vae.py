"""Find a short code for scikit-learn's bundled digits with a variational autoencoder.

The metric is the bound on the images' description length, in nats an image: reconstruction + KL,
with weight 1 whatever the training weighs.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers, ops
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from workers import Run

PIXELS = 64
EPOCHS = 8


def train(run: Run) -> float:
    """Train one configuration and return its lowest bound on images that it has not seen."""
    keep_to_one_core()
    images = (load_digits().data / 16.0).astype("float32")
    seen, unseen = train_test_split(images, test_size=0.25, random_state=0)
    batch_size = run.params["train.batch_size"]
    model = Autoencoder(run.params, steps=EPOCHS * math.ceil(len(seen) / batch_size))
    model.compile(
        keras.optimizers.Adam(run.params["train.learning_rate"]),
        loss=description_length,
    )
    history = model.fit(
        seen,
        seen,
        validation_data=(unseen, unseen),
        batch_size=batch_size,
        epochs=EPOCHS,
        verbose=2,
        callbacks=[run.keras_callback(metric="val_loss")],
    )
    return float(min(history.history["val_loss"]))


def description_length(images: Any, outputs: Any) -> Any:
    """Return nats an image, shape (images,): its pixels' surprise to the decoder, and the KL term.

    Args:
        images: shape (images, PIXELS).
        outputs: the pixels' logits and the weighted KL term, shape (images, PIXELS + 1).
    """
    logits, kl = outputs[:, :PIXELS], outputs[:, PIXELS]
    return ops.sum(ops.softplus(logits) - images * logits, axis=-1) + kl


class Autoencoder(keras.Model):
    """Encoder, sampling and decoder.

    Args:
        params: of `model.*` and `train.*`.
        steps: of the whole training, for the warm-up of the KL term.
    """

    def __init__(self, params: dict[str, Any], steps: int) -> None:
        super().__init__()
        latent = params["model.latent_size"]
        self.encoder = keras.Sequential([*hidden(params), layers.Dense(2 * latent)])
        self.decoder = keras.Sequential([*hidden(params), layers.Dense(PIXELS)])
        self.noise = keras.random.SeedGenerator()
        self.kl_weight = params["train.kl_weight"]
        self.warmup_steps = max(params["train.kl_warmup_fraction"] * steps, 1.0)
        self.seen_steps = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, images: Any, training: bool = False) -> Any:
        """Return the logits of images and the weighted KL term, shape (images, PIXELS + 1).

        Without training the weight is 1 and nothing is sampled, so that `val_loss` is the bound.
        """
        mean, log_variance = ops.split(self.encoder(images), 2, axis=-1)
        log_variance = ops.clip(log_variance, -10.0, 10.0)
        kl = 0.5 * ops.sum(ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance, axis=-1)
        code = mean
        weight = 1.0
        if training:
            noise = keras.random.normal(ops.shape(mean), seed=self.noise)
            code = mean + ops.exp(0.5 * log_variance) * noise
            self.seen_steps.assign(self.seen_steps + 1.0)
            weight = self.kl_weight * ops.minimum(1.0, self.seen_steps / self.warmup_steps)
        return ops.concatenate([self.decoder(code), weight * kl[:, None]], axis=-1)


def hidden(params: dict[str, Any]) -> list[keras.layers.Layer]:
    """Return the hidden layers that encoder and decoder have alike."""
    return [
        layers.Dense(params["model.units"], activation=params["model.activation"])
        for _ in range(params["model.layers"])
    ]


def keep_to_one_core() -> None:
    """Have TensorFlow take one core: workers train side by side, and models are small here."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
