"""Hypermodels with faults, one each."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import keras_tuner
import numpy as np

_counter = itertools.count()
_x = np.zeros((4, 3), dtype="float32")


def data() -> dict[str, Any]:
    return {"x": _x, "y": _x[:, 0], "validation_split": 0.5, "epochs": 1, "verbose": 0}


def no_data() -> float:
    return 1.0


def _model(units: int = 2) -> Any:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


class NeedsArguments(keras_tuner.HyperModel):
    """It cannot be made without arguments."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes


class NoHyperModel:
    """A class of another kind."""

    def build(self, hp: Any) -> Any:
        """Return a model."""
        return _model(hp.Int("units", 1, 4))


number = 3


def raises(hp: Any) -> Any:
    units = hp.Int("units", 1, 8, default=8)
    if units > 4:
        raise ValueError("more than four units do not fit")
    return _model(units)


def raises_under_a_condition(hp: Any) -> Any:
    kind = hp.Choice("kind", ["good", "bad"])
    with hp.conditional_scope("kind", ["bad"]):
        units = hp.Int("units", 1, 4)
        if kind == "bad":
            raise ValueError(f"{units} bad units")
    return _model()


def no_model(hp: Any) -> Any:
    _model(hp.Int("units", 1, 4))


def a_number(hp: Any) -> Any:
    return float(hp.Int("units", 1, 4))


def renames(hp: Any) -> Any:
    return _model(hp.Int(f"units_{next(_counter)}", 1, 4))


def changes_range(hp: Any) -> Any:
    return _model(hp.Int("units", 1, 4 + next(_counter)))


def range_by_another(hp: Any) -> Any:
    first = hp.Int("first", 8, 16)
    return _model(hp.Int("second", 1, first))


def float_parent(hp: Any) -> Any:
    hp.Float("rate", 0.0, 1.0)
    with hp.conditional_scope("rate", [0.5]):
        hp.Int("units", 1, 4)
    return _model()


def huge_number(hp: Any) -> Any:
    return _model(min(4, hp.Int("seed", 0, 2**60)))


def endless(hp: Any) -> Any:
    for index in range(600):
        hp.Boolean(f"flag_{index}")
    return _model()


class Silent(keras_tuner.HyperModel):
    """Its fit forgets what it returns."""

    def build(self, hp: Any) -> Any:
        """Return a model."""
        return _model(hp.Int("units", 1, 4))

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> None:
        """Train, and return nothing."""
        hp.Int("epochs", 1, 2)


class Empty(Silent):
    """It returns a list without results."""

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Return nothing in a list."""
        return []


def downloads(hp: Any) -> Any:
    hp.Choice("version", ["B0", "B1"])
    # As keras.applications does for weights="imagenet"; the address leads nowhere.
    keras.utils.get_file("weights.h5", "http://127.0.0.1:9/weights.h5", force_download=True)
    return _model()


def off_grid(hp: Any) -> Any:
    """Defaults that are not among the values; one range of a single value."""
    units = hp.Int("units", 2, 10, step=4, default=5)
    hp.Float("one", 1.0, 1.0)
    hp.Float("wide_step", 0.0, 0.5, step=2.0)
    return _model(units)
