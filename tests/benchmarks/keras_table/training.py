"""Real Keras trainings, many of them quickly.

A network is built, compiled and traced once for a configuration and then trained from new weights
on one dataset after another: all are padded to the same widths, and a training is one call of a
graph whose loops run the network's own `train_step`. Padding changes nothing: weights of padded
inputs and classes begin at 0, have no gradient and stay 0; a padded class has probability 0.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tests.benchmarks.keras_table.datasets import MOST_CLASSES, MOST_FEATURES, Dataset, Kind
from tuner.space import Params

EPOCHS = 15

#: The logit of a class that a dataset does not have; its softmax is exactly 0.
_NEVER = -1e9


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one training gave, each curve of `EPOCHS` values; NaN from where it diverged."""

    #: Mean loss of the epoch while training: cross-entropy, or mean squared error.
    loss: NDArray[np.float64]
    #: The same after the epoch on the rows held out.
    val_loss: NDArray[np.float64]
    #: Share of wrong classes, or mean absolute error, on the rows held out.
    val_error: NDArray[np.float64]
    #: Processor time, without building and tracing.
    seconds: float


def prepare_tensorflow() -> None:
    """Make TensorFlow run one operation at a time (the same sums each time) and begin quickly."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    # Rewriting a graph of so small a network takes longer than it saves.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def make_network(params: Params, kind: Kind, *, features: int, outputs: int) -> keras.Sequential:
    """Return the compiled network of a configuration of `space.SPACE`."""
    layers: list[keras.Layer] = [keras.Input((features,))]
    for depth in range(int(params["model.layers"])):
        units, activation = int(params["model.units"]), params["model.activation"]
        layers.append(keras.layers.Dense(units, activation=activation))
        layers.append(keras.layers.Dropout(params["model.dropout"], seed=depth))
    layers.append(keras.layers.Dense(outputs))
    network = keras.Sequential(layers)
    network.compile(optimizer=_make_optimizer(params), loss=_make_loss(kind), jit_compile=False)
    network.optimizer.build(network.trainable_variables)
    return network


def _make_optimizer(params: Params) -> keras.optimizers.Optimizer:
    options = {
        "learning_rate": params["optimizer.learning_rate"],
        "weight_decay": params["train.weight_decay"],
    }
    if params["optimizer.name"] == "sgd":
        options["momentum"] = params["optimizer.momentum"]
    classes = {
        "sgd": keras.optimizers.SGD,
        "adam": keras.optimizers.Adam,
        "rmsprop": keras.optimizers.RMSprop,
    }
    optimizer = classes[str(params["optimizer.name"])](**options)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def _make_loss(kind: Kind) -> keras.losses.Loss:
    if kind == "number":
        return keras.losses.MeanSquaredError()
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def seed_of(seed: int, dataset: str, configuration: int) -> int:
    """Return the seed of one training."""
    return zlib.crc32(f"{seed}/{dataset}/{configuration}".encode())


def set_weights(network: keras.Sequential, features: int, outputs: int, seed: int) -> None:
    """Give a network the weights with which one of these widths begins.

    They are Keras' defaults (Glorot uniform, bias 0) for `features` inputs and `outputs` outputs;
    the network may be wider at both ends.
    """
    dense = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    for depth, layer in enumerate(dense):
        shape = tuple(layer.kernel.shape)
        inputs = features if depth == 0 else shape[0]
        units = outputs if layer is dense[-1] else shape[1]
        kernel = np.zeros(shape, np.float32)
        begin = keras.initializers.GlorotUniform(seed=(seed + depth) % 2**31)
        kernel[:inputs, :units] = np.asarray(begin((inputs, units)))
        bias = np.zeros(shape[1], np.float32)
        bias[units:] = _NEVER
        layer.set_weights([kernel, bias])
    for depth, layer in enumerate(network.layers):
        if isinstance(layer, keras.layers.Dropout):
            layer.seed_generator.state.assign([(seed + depth) % 2**32, 0])


def orders(rows: int, seed: int) -> NDArray[np.int32]:
    """Return the order in which each epoch sees the rows, (EPOCHS, rows)."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(rows) for _ in range(EPOCHS)]).astype(np.int32)


class Trainer:
    """The network of one configuration for all datasets of one kind."""

    def __init__(self, params: Params, kind: Kind) -> None:
        outputs = 1 if kind == "number" else MOST_CLASSES
        self._kind = kind
        self._batch = tf.constant(int(params["train.batch_size"]), tf.int32)
        self._network = make_network(params, kind, features=MOST_FEATURES, outputs=outputs)
        self._fresh = [variable.numpy() for variable in self._network.optimizer.variables]
        x = tf.TensorSpec((None, MOST_FEATURES), tf.float32)
        y = tf.TensorSpec((None,), tf.float32 if kind == "number" else tf.int32)
        order = tf.TensorSpec((None, None), tf.int32)
        self._train = tf.function(self._train_all, input_signature=[x, y, x, y, order])
        self._warm_up()

    def run(self, dataset: Dataset, seed: int) -> Run:
        """Train on a dataset from the beginning; the same arguments give the same result."""
        self._begin(dataset.features, dataset.outputs, seed)
        data = [
            tf.constant(values)
            for values in (
                _padded(dataset.x_train),
                dataset.y_train,
                _padded(dataset.x_val),
                dataset.y_val,
                orders(len(dataset.x_train), seed),
            )
        ]
        begun = time.process_time()
        curves = self._train(*data).numpy().astype(np.float64)
        seconds = time.process_time() - begun
        diverged = ~np.isfinite(curves).all(axis=0)
        curves[:, np.logical_or.accumulate(diverged)] = np.nan
        return Run(loss=curves[0], val_loss=curves[1], val_error=curves[2], seconds=seconds)

    def _begin(self, features: int, outputs: int, seed: int) -> None:
        set_weights(self._network, features, outputs, seed)
        for variable, value in zip(self._network.optimizer.variables, self._fresh, strict=True):
            variable.assign(value)

    def _warm_up(self) -> None:
        """Trace and optimise the graph, so that no training pays for it."""
        x = tf.zeros((1, MOST_FEATURES))
        y = tf.zeros((1,), tf.float32 if self._kind == "number" else tf.int32)
        self._train(x, y, x, y, tf.zeros((1, 1), tf.int32))

    def _train_all(
        self, x: tf.Tensor, y: tf.Tensor, x_val: tf.Tensor, y_val: tf.Tensor, order: tf.Tensor
    ) -> tf.Tensor:
        """Train for one epoch per row of `order`; return loss, val_loss, val_error of each."""
        epochs = tf.shape(order)[0]
        curves = tf.TensorArray(tf.float32, epochs)
        for epoch in tf.range(epochs):
            self._network.reset_metrics()
            for start in tf.range(0, tf.shape(order)[1], self._batch):
                rows = order[epoch, start : start + self._batch]
                self._network.train_step((tf.gather(x, rows), tf.gather(y, rows)))
            loss = self._network.metrics[0].result()
            curves = curves.write(epoch, tf.stack([loss, *self._measure(x_val, y_val)]))
        return tf.transpose(curves.stack())

    def _measure(self, x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        predicted = self._network(x, training=False)
        loss = self._network.loss(y, predicted)
        if self._kind == "number":
            return loss, tf.reduce_mean(tf.abs(predicted[:, 0] - y))
        wrong = tf.not_equal(tf.argmax(predicted, axis=1, output_type=tf.int32), y)
        return loss, tf.reduce_mean(tf.cast(wrong, tf.float32))


def _padded(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.pad(x, ((0, 0), (0, MOST_FEATURES - x.shape[1])))
