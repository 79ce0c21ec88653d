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
        loss=reconstruction,
    )
    history = model.fit(
        seen,
        seen,
        validation_data=(unseen, unseen),
        batch_size=batch_size,
        epochs=EPOCHS,
        verbose=2,
        callbacks=[run.keras_callback(metric="val_bound")],
    )
    return float(min(history.history["val_bound"]))


def reconstruction(images: Any, logits: Any) -> Any:
    """Return nats an image, shape (images,): how surprising its pixels are to the decoder."""
    per_pixel = ops.softplus(logits) - images * logits
    return ops.sum(per_pixel, axis=-1)


class Autoencoder(keras.Model):
    """Encoder, sampling and decoder; what it returns are the pixels' logits.

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
        self.bound = keras.metrics.Mean(name="bound")

    def call(self, images: Any, training: bool = False) -> Any:
        """Return the logits of images, shape (images, PIXELS), and add the KL term to the loss."""
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
        logits = self.decoder(code)
        self.add_loss(weight * ops.mean(kl))
        self.bound.update_state(reconstruction(images, logits) + kl)
        return logits


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
