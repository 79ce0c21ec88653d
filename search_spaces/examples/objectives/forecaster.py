"""Forecast the next 12 hours of a demand with a trend, a daily and a weekly season; generated.

The metric is the mean absolute error, in units of that of the naive forecast, which repeats the
day before: below 1 the net has learnt something.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from workers import Run

HORIZON = 12
DAY = 24
#: Six weeks.
HOURS = 1008
#: The longest window that the space has, so that every trial forecasts the same hours.
LONGEST = 7 * HORIZON
EPOCHS = 8


def train(run: Run) -> float:
    """Train one configuration and return its lowest error on the last quarter of the time."""
    keep_to_one_core()
    series = make_demand()
    windows, targets, naive = make_windows(series, run.params["data.lookback_factor"] * HORIZON)
    split = len(windows) * 3 // 4
    # The windows between would have seen what is to be forecast.
    past = slice(0, split - HORIZON)
    model = build(run.params)
    model.compile(
        keras.optimizers.Adam(run.params["train.learning_rate"]),
        loss=run.params["train.loss"],
        metrics=["mae"],
    )
    report = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(val_error=logs["val_mae"] / naive)
    )
    history = model.fit(
        windows[past],
        targets[past],
        validation_data=(windows[split:], targets[split:]),
        batch_size=run.params["train.batch_size"],
        epochs=EPOCHS,
        verbose=2,
        callbacks=[report, run.keras_callback(metric="val_error")],
    )
    return float(min(history.history["val_mae"]) / naive)


def make_demand() -> np.ndarray:
    """Return the demand of each hour, shape (HOURS,), with mean 0 and spread 1."""
    random = np.random.default_rng(0)
    hour = np.arange(HOURS)
    day = np.sin(2 * np.pi * hour / DAY) + 0.4 * np.sin(4 * np.pi * hour / DAY + 1)
    weekend = np.where(hour // DAY % 7 >= 5, 0.4, 1.0)
    # Noise that remembers: what is high now is high in the next hours as well.
    noise = np.zeros(HOURS)
    for now in range(1, HOURS):
        noise[now] = 0.8 * noise[now - 1] + random.normal(scale=0.15)
    demand = 5 + 0.001 * hour + day * weekend + noise
    return ((demand - demand.mean()) / demand.std()).astype("float32")


def make_windows(series: np.ndarray, lookback: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return windows of shape (n, lookback), what follows, (n, HORIZON), and the naive error."""
    starts = np.arange(LONGEST, len(series) - HORIZON)
    windows = np.stack([series[start - lookback : start] for start in starts])
    targets = np.stack([series[start : start + HORIZON] for start in starts])
    repeated = np.stack([series[start - DAY : start - DAY + HORIZON] for start in starts])
    held_out = len(starts) * 3 // 4
    naive = float(np.abs(targets - repeated)[held_out:].mean())
    return windows, targets, naive


def build(params: dict[str, Any]) -> keras.Model:
    """Build the network that `model.*` and `data.*` describe."""
    lookback = params["data.lookback_factor"] * HORIZON
    inputs = keras.Input((lookback,))
    x, mean, spread = inputs, None, None
    if params["data.normalisation"] == "window":
        mean = keras.ops.mean(inputs, axis=1, keepdims=True)
        spread = keras.ops.std(inputs, axis=1, keepdims=True) + 1e-3
        x = (inputs - mean) / spread
    if params["model.kind"] == "mlp":
        x = hidden_layers(x, params)
    elif params["model.kind"] in ("gru", "convolution"):
        x = over_time(layers.Reshape((lookback, 1))(x), params)
    outputs = layers.Dense(HORIZON)(x)
    if mean is not None:
        outputs = outputs * spread + mean
    return keras.Model(inputs, outputs)


def hidden_layers(x: Any, params: dict[str, Any]) -> Any:
    """Return `x`, shape (windows, lookback), after fully connected layers."""
    for _ in range(params["model.layers"]):
        x = layers.Dense(params["model.units"], activation="relu")(x)
        x = layers.Dropout(params["model.dropout_rate"])(x)
    return x


def over_time(x: Any, params: dict[str, Any]) -> Any:
    """Return `x`, shape (windows, lookback, 1), as one vector each, by layers that go along it."""
    count, units = params["model.layers"], params["model.units"]
    for depth in range(count):
        if params["model.kind"] == "gru":
            x = layers.GRU(units, return_sequences=depth < count - 1)(x)
        else:
            x = layers.Conv1D(
                units,
                params["model.kernel_size"],
                padding="causal",
                dilation_rate=2**depth,
                activation="relu",
            )(x)
        x = layers.Dropout(params["model.dropout_rate"])(x)
    return layers.Flatten()(x)


def keep_to_one_core() -> None:
    """Have TensorFlow take one core: workers train side by side, and models are small here."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
