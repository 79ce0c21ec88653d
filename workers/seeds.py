"""Seeding of everything random that a trial may use."""

from __future__ import annotations

import importlib
import importlib.util
import random
import sys
from typing import Literal

Reproducibility = Literal["off", "seeded", "strict"]


def seed_everything(seed: int, mode: Reproducibility) -> None:
    """Seed Python, numpy and Keras as `mode` says; a forked trial must not repeat its sibling.

    Keras is seeded when it is loaded, which a worker that imports TensorFlow ahead and an objective
    that imports Keras at its top both see to. `strict` also makes TensorFlow's operations
    deterministic.
    """
    if mode == "off":
        _refresh()
        return
    # What Keras and numpy accept; the trial's seed may have more bits.
    short = seed % 2**32
    random.seed(seed)
    if importlib.util.find_spec("numpy"):
        importlib.import_module("numpy").random.seed(short)
    if mode == "strict" and importlib.util.find_spec("tensorflow"):
        tensorflow = importlib.import_module("tensorflow")
        tensorflow.config.experimental.enable_op_determinism()
        importlib.import_module("keras")
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(short)


def _refresh() -> None:
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
