"""Classify scikit-learn's digits in JAX on all devices of the trial: jax.sharding."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from workers import Run

CLASSES = 10
PIXELS = 64
EPOCHS = 15


def train(run: Run) -> float:
    """Train one configuration and return its best validation accuracy."""
    # All that the process sees are the trial's. Without a GPU there is one, the processor; more
    # parts of it stand in with XLA_FLAGS=--xla_force_host_platform_device_count=2.
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    by_row = NamedSharding(mesh, PartitionSpec("batch"))
    everywhere = NamedSharding(mesh, PartitionSpec())
    x_train, x_val, y_train, y_val = load_images()
    # A batch is cut into equal parts, one for each device.
    size = max(run.params["train.batch_size"] // mesh.size, 1) * mesh.size
    rate = run.params["train.learning_rate"]
    weights = jax.device_put(make_weights(run.params, run.seed), everywhere)
    order = np.random.default_rng(run.seed)
    best = 0.0
    for epoch in range(1, EPOCHS + 1):
        shuffled = order.permutation(len(x_train))
        for start in range(0, len(x_train) - size + 1, size):
            rows = shuffled[start : start + size]
            # Each device gets its rows; XLA adds their gradients up.
            images = jax.device_put(x_train[rows], by_row)
            weights = descend(weights, images, jax.device_put(y_train[rows], by_row), rate)
        accuracy = score(weights, x_val, y_val)
        best = max(best, accuracy)
        run.report(epoch, accuracy)
    return best


def load_images() -> Any:
    """Return x_train, x_val, y_train, y_val; an image has shape (64,), with values 0 to 1."""
    digits = load_digits()
    return train_test_split(
        (digits.data / 16.0).astype("float32"),
        digits.target.astype("int32"),
        test_size=0.25,
        stratify=digits.target,
        random_state=0,
    )


def make_weights(params: dict[str, Any], seed: int) -> list[tuple[Any, Any]]:
    """Return weights and biases of the layers that `model.*` describes."""
    widths = [PIXELS, *[params["model.units"]] * params["model.layers"], CLASSES]
    keys = jax.random.split(jax.random.key(seed), len(widths) - 1)
    return [
        (jax.random.normal(key, (rows, columns)) * (2.0 / rows) ** 0.5, jnp.zeros(columns))
        for key, rows, columns in zip(keys, widths, widths[1:], strict=False)
    ]


def predict(weights: list[tuple[Any, Any]], images: Any) -> Any:
    """Return the logits, shape (n, 10), of images of shape (n, 64)."""
    *hidden, (last, bias) = weights
    for matrix, shift in hidden:
        images = jax.nn.relu(images @ matrix + shift)
    return images @ last + bias


@jax.jit
def descend(weights: Any, images: Any, digits: Any, rate: float) -> Any:
    """Return the weights after one step of gradient descent."""

    def loss(candidate: Any) -> Any:
        chosen = jax.nn.log_softmax(predict(candidate, images))
        return -jnp.take_along_axis(chosen, digits[:, None], axis=1).mean()

    gradients = jax.grad(loss)(weights)
    return jax.tree.map(lambda weight, gradient: weight - rate * gradient, weights, gradients)


def score(weights: Any, x: np.ndarray, y: np.ndarray) -> float:
    """Return the share of digits that the network gets right."""
    return float((predict(weights, x).argmax(axis=1) == y).mean())
