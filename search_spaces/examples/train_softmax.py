"""Classify scikit-learn's bundled digits with a softmax regression; a script like any other.

By hand: python train_softmax.py --learning-rate 0.5
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

CLASSES = 10


def main() -> None:
    """Train with the options of the command line; print a line of JSON after each epoch."""
    options = parse()
    rng = np.random.default_rng(options.seed)
    images, digits = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(
        images / 16.0, digits, test_size=0.25, stratify=digits, random_state=0
    )
    weights = np.zeros((x.shape[1] + 1, CLASSES))
    speed = np.zeros_like(weights)
    # A trial that lost its machine goes on after its newest checkpoint.
    folder = os.environ.get("TUNER_CHECKPOINT_DIR")
    saved = Path(folder, "state.npz") if folder else None
    begun = 0
    if saved is not None and saved.exists():
        with np.load(saved) as state:
            begun, weights, speed = int(state["epoch"]), state["weights"], state["speed"]
    for epoch in range(begun + 1, options.epochs + 1):
        for rows in np.array_split(rng.permutation(len(x)), len(x) // options.batch_size):
            gradient = slope(weights, x[rows], y[rows]) + options.weight_decay * weights
            speed = options.momentum * speed - options.learning_rate * gradient
            weights += speed
        if saved is not None:
            partial = saved.with_name("partial.npz")
            np.savez(partial, epoch=epoch, weights=weights, speed=speed)
            partial.replace(saved)
        accuracy = float((scores(weights, x_val).argmax(axis=1) == y_val).mean())
        # A line with `step` is a report; the last line with the metric is the result.
        print(json.dumps({"step": epoch, "val_accuracy": accuracy}), flush=True)  # noqa: T201


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning-rate", type=float, default=0.5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--optimizer", choices=["plain", "momentum"], default="plain")
    parser.add_argument("--momentum", type=float, default=0.0)
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def scores(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return what each class scores: x of shape (n, 64), the result (n, 10)."""
    return x @ weights[:-1] + weights[-1]


def slope(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the gradient of the mean cross entropy, of the shape of the weights."""
    logits = scores(weights, x)
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    chances[np.arange(len(y)), y] -= 1.0
    return np.vstack([x.T @ chances, chances.sum(axis=0)]) / len(y)


if __name__ == "__main__":
    main()
