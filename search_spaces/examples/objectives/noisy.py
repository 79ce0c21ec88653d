"""Classify 600 of scikit-learn's digits, made noisy and shifted, with the net of mlp.py."""

from __future__ import annotations

import numpy as np

from objectives import mlp
from workers import Run

IMAGES = 1200
NOISE = 0.15


def train(run: Run) -> float:
    """Train one configuration and return its best validation accuracy."""
    return mlp.fit(run, take_images())


def take_images() -> list[np.ndarray]:
    """Return x_train, x_val, y_train, y_val, half of the images each, as mlp.py has them."""
    random = np.random.default_rng(1)
    x_train, x_val, y_train, y_val = mlp.load_images()
    images = np.concatenate([x_train, x_val])[:IMAGES].reshape(-1, 8, 8)
    digits = np.concatenate([y_train, y_val])[:IMAGES]
    shifts = random.integers(-1, 2, (IMAGES, 2))
    moved = [np.roll(i, shift, (0, 1)) for i, shift in zip(images, shifts, strict=True)]
    noisy = np.stack(moved) + random.normal(scale=NOISE, size=images.shape)
    x = np.clip(noisy, 0.0, 1.0).astype("float32").reshape(-1, 64)
    half = IMAGES // 2
    return [x[:half], x[half:], digits[:half], digits[half:]]
