"""Hypermodels in the style of KerasTuner's guides; nothing in here knows of this service."""

from __future__ import annotations

import json
from typing import Any

import keras
import keras_tuner
import numpy as np

random = np.random.default_rng(0)
x = random.normal(size=(24, 8)).astype("float32")
y = (x.sum(axis=1) > 0).astype("int32")
images = random.uniform(size=(16, 8, 8, 1)).astype("float32")
labels = random.integers(0, 3, size=16)
sequences = random.normal(size=(16, 5, 3)).astype("float32")


def table() -> dict[str, Any]:
    """Loader of most: the arguments of `fit` as keywords."""
    return {"x": x, "y": y, "validation_split": 0.25, "epochs": 2, "verbose": 0}


def pictures() -> tuple[Any, ...]:
    """Loader: positional arguments, and keywords with a callback of the user's own."""
    stop = keras.callbacks.EarlyStopping("val_accuracy", patience=5)
    keywords = {"validation_split": 0.25, "epochs": 2, "verbose": 0, "callbacks": [stop]}
    return (images, labels), keywords


def series() -> dict[str, Any]:
    return {"x": sequences, "y": labels, "validation_split": 0.25, "epochs": 1, "verbose": 0}


def _compile(model: Any, hp: Any, loss: str = "sparse_categorical_crossentropy") -> Any:
    rate = hp.Float("lr", min_value=1e-4, max_value=1e-2, sampling="log")
    model.compile(keras.optimizers.Adam(learning_rate=rate), loss=loss, metrics=["accuracy"])
    return model


def mlp(hp: Any) -> Any:
    """The first guide: layers in a loop, a choice, a truth value."""
    model = keras.Sequential([keras.Input((8,))])
    for i in range(hp.Int("num_layers", 1, 3)):
        units = hp.Int(f"units_{i}", min_value=32, max_value=512, step=32)
        model.add(keras.layers.Dense(units, activation=hp.Choice("activation", ["relu", "tanh"])))
    if hp.Boolean("dropout"):
        model.add(keras.layers.Dropout(rate=0.25))
    model.add(keras.layers.Dense(2, activation="softmax"))
    return _compile(model, hp)


def cnn(hp: Any) -> Any:
    inputs = keras.Input((8, 8, 1))
    h = inputs
    for i in range(hp.Int("conv_blocks", 1, 2, default=2)):
        filters = hp.Int(f"filters_{i}", 4, 16, step=4)
        for _ in range(2):
            h = keras.layers.Conv2D(filters, hp.Choice("kernel_size", [1, 3]), padding="same")(h)
        pool = keras.layers.MaxPool2D if hp.Choice("pooling", ["max", "avg"]) == "max" else None
        h = (pool or keras.layers.AvgPool2D)()(h)
    h = keras.layers.GlobalAveragePooling2D()(h)
    h = keras.layers.Dropout(hp.Float("dropout", 0, 0.5, step=0.1, default=0.5))(h)
    outputs = keras.layers.Dense(3, activation="softmax")(h)
    return _compile(keras.Model(inputs, outputs), hp)


def lstm(hp: Any) -> Any:
    model = keras.Sequential([keras.Input((5, 3))])
    layer = keras.layers.LSTM(hp.Int("units", 2, 64, step=2, sampling="log"))
    if hp.Boolean("bidirectional", default=True):
        layer = keras.layers.Bidirectional(layer)
    model.add(layer)
    model.add(keras.layers.Dense(3, activation="softmax"))
    return _compile(model, hp)


class CustomFit(keras_tuner.HyperModel):
    """The guide's tuned training: parameters that only `fit` names, and data of its own."""

    def build(self, hp: Any) -> Any:
        """Return a compiled model."""
        model = keras.Sequential([keras.Input((8,))])
        model.add(keras.layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"))
        model.add(keras.layers.Dense(2, activation="softmax"))
        return _compile(model, hp)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Train with a tuned batch size and number of epochs."""
        return model.fit(
            x,
            y,
            validation_data=(x, y),
            batch_size=hp.Choice("batch_size", [8, 16, 32]),
            shuffle=hp.Boolean("shuffle"),
            epochs=hp.Int("epochs", 1, 2),
            verbose=0,
            *args,  # noqa: B026 - as the guide has it
            **kwargs,
        )


class CustomLoop(keras_tuner.HyperModel):
    """The guide's custom training loop: its own steps, callbacks called by hand, a float."""

    def build(self, hp: Any) -> Any:
        """Return a model that is not compiled."""
        return keras.Sequential(
            [
                keras.Input((8,)),
                keras.layers.Dense(hp.Int("units", 8, 16), activation="relu"),
                keras.layers.Dense(2),
            ]
        )

    def fit(
        self, hp: Any, model: Any, x: Any, y: Any, callbacks: Any = None, **kwargs: Any
    ) -> float:
        """Train with a gradient tape."""
        import tensorflow as tf

        batch_size = hp.Int("batch_size", 8, 16, step=8, default=8)
        batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size)
        optimizer = keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"))
        loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        mean = keras.metrics.Mean()
        for callback in callbacks:
            callback.set_model(model)
        best = float("inf")
        for epoch in range(2):
            print(f"Epoch: {epoch}")  # noqa: T201
            for some, those in batches:
                with tf.GradientTape() as tape:
                    loss = loss_of(those, model(some))
                gradients = tape.gradient(loss, model.trainable_variables)
                optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
                mean.update_state(loss)
            value = float(mean.result().numpy())
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"val_accuracy": value})
            mean.reset_state()
            best = min(best, value)
        return best


def nested(hp: Any) -> Any:
    """Conditions within conditions; one name with two ranges; parameters without values."""
    kind = hp.Choice("model_type", ["mlp", "wide"])
    inputs = keras.Input((8,))
    h = inputs
    with hp.conditional_scope("model_type", ["mlp"]):
        layers = hp.Int("layers", 1, 2)
        units = hp.Int("units", 4, 16, step=4)
        with hp.conditional_scope("layers", [2]):
            second = hp.Choice("second_units", [4, 8])
        if kind == "mlp":
            h = keras.layers.Dense(units, activation="relu")(h)
            if layers == 2:
                h = keras.layers.Dense(second)(h)
    with hp.conditional_scope("model_type", ["wide"]):
        units = hp.Int("units", 64, 256, sampling="log")
        if kind == "wide":
            h = keras.layers.Dense(units)(h)
    outputs = keras.layers.Dense(2, activation="softmax")(h)
    return _compile(keras.Model(inputs, outputs), hp)


def augmented(hp: Any) -> Any:
    model = keras.Sequential([keras.Input((8, 8, 1))])
    if hp.Boolean("augment", default=True):
        with hp.name_scope("augmentation"):
            model.add(keras.layers.RandomRotation(hp.Float("rotation", 0.0, 0.2)))
            model.add(keras.layers.RandomTranslation(hp.Float("shift", 0.0, 0.2, step=0.05), 0.1))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(3, activation="softmax"))
    return _compile(model, hp)


class Preprocessed(keras_tuner.HyperModel):
    """Tuned preprocessing of the data in `fit`, which returns a dict of metrics."""

    def build(self, hp: Any) -> Any:
        """Return a model with a tuned normalisation."""
        model = keras.Sequential([keras.Input((8,))])
        if hp.Choice("normalisation", ["none", "batch", "layer"], ordered=False) == "batch":
            model.add(keras.layers.BatchNormalization())
        model.add(keras.layers.Dense(2, activation="softmax"))
        return _compile(model, hp)

    def fit(self, hp: Any, model: Any, x: Any, y: Any, **kwargs: Any) -> dict[str, float]:
        """Scale the data, train, evaluate."""
        scaled = x * hp.Float("scale", 0.5, 2.0) + hp.Fixed("offset", 0)
        model.fit(scaled, y, **kwargs)
        loss, accuracy = model.evaluate(scaled, y, verbose=0)
        return {"val_loss": loss, "val_accuracy": accuracy}


class WithArguments(keras_tuner.HyperModel):
    """A hypermodel that needs arguments: an instance stands in the module."""

    def __init__(self, classes: int) -> None:
        super().__init__(name="with_arguments")
        self.classes = classes

    def build(self, hp: Any) -> Any:
        """Return a model with as many outputs as classes."""
        model = keras.Sequential([keras.Input((8,))])
        model.add(keras.layers.Dense(hp.Choice("units", [4, 8, 16])))
        model.add(keras.layers.Dense(self.classes, activation="softmax"))
        return _compile(model, hp)


subclassed = WithArguments(2)


def several_inputs(hp: Any) -> Any:
    left, right = keras.Input((8,), name="left"), keras.Input((5, 3), name="right")
    h = keras.layers.Dense(hp.Int("left_units", 2, 8))(left)
    g = keras.layers.GlobalAveragePooling1D()(right)
    merge = hp.Choice("merge", ["concatenate", "gated"])
    joined = keras.layers.Concatenate()([h, g])
    if merge == "gated":
        gate = keras.layers.Dense(joined.shape[-1], activation="sigmoid")(joined)
        joined = keras.layers.Multiply()([joined, gate])
    outputs = keras.layers.Dense(2, activation="softmax")(joined)
    return _compile(keras.Model([left, right], outputs), hp)


def two_tables() -> dict[str, Any]:
    inputs = {"left": x[:16], "right": sequences}
    return {"x": inputs, "y": y[:16], "validation_split": 0.25, "epochs": 1, "verbose": 0}


class Kinds(keras_tuner.HyperModel):
    """Every kind of hyperparameter, on every scale; it trains nothing and prints what it got."""

    def build(self, hp: Any) -> Any:
        """Name all kinds; return a model that is never trained."""
        hp.Int("whole", -3, 3)
        hp.Int("stepped", 6, 13, step=3)
        hp.Int("by factors", 2, 40, step=2, sampling="log")
        hp.Int("log", 1, 100, sampling="log", default=10)
        hp.Int("reversed", 1, 100, sampling="reverse_log")
        hp.Float("grid", 0.0, 1.0, step=0.2, default=0.6)
        hp.Float("real", 0, 1)
        hp.Float("decades", 0.001, 10, step=10, sampling="log")
        hp.Float("from above", 1, 100, step=10, sampling="reverse_log")
        hp.Choice("numbers", [3, 1, 2], ordered=False)
        hp.Choice("ordered", [0.5, 0.25])
        hp.Choice("texts", np.array(["a", "b"]), default="b")
        hp.Choice("single", ["only"])
        hp.Boolean("flag", default=True)
        hp.Fixed("fixed", 1.5)
        with hp.name_scope("outer"), hp.name_scope("in ner"):
            hp.Int("deep", 1, 2)
        off = hp.Int("off", 1, 4, parent_name="flag", parent_values=[False])
        assert (off is None) == hp.get("flag")
        return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> float:
        """Name one more, and show all values."""
        hp.Choice("late", [1, 2])
        print("values", json.dumps(hp.values))  # noqa: T201
        return 1.0


class Odd(Kinds):
    """What KerasTuner allows and few expect."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = WithArguments(2)
        self.inner.tunable = False

    def build(self, hp: Any) -> Any:
        """Name things twice, under conditions of all sorts, and outside of the search."""
        assert hp.get("declared") in (1, 2, 3)
        hp.Int("units", 1, 4)
        assert hp.Int("units", 1, 9) == hp.get("units"), "the first range counts"
        hp.Choice("flag", [True, False])
        hp.Int("with_flag", 1, 3, parent_name="flag", parent_values=[True])
        hp.Int("even", 0, 4, step=2)
        hp.Int("with_even", 1, 3, parent_name="even", parent_values=[2, 3, 4])
        hp.Int("never", 1, 3, parent_name="even", parent_values=[9])
        other = keras_tuner.HyperParameters()
        other.Int("merged", 1, 4, default=2)
        hp.merge(other)
        hp.copy().Int("copied", 1, 2)
        return self.inner.build(hp)

    def declare_hyperparameters(self, hp: Any) -> None:
        """Name one before the first build."""
        hp.Int("declared", 1, 3)


class Averaged(keras_tuner.HyperModel):
    """Several executions in one trial: a list of results, whose mean counts."""

    def build(self, hp: Any) -> Any:
        """Return a model with unusual names, scales and numpy's numbers as choices."""
        rate = hp.Float("learning rate", 1e-3, 1e-1, sampling="log", step=10)
        momentum = hp.Float("momentum", 0.5, 0.99, sampling="reverse_log")
        model = keras.Sequential([keras.Input((8,))])
        model.add(keras.layers.Dense(hp.Choice("units 1", list(np.array([4, 8])))))
        model.add(keras.layers.Dense(2, hp.Choice("Activation", ["", "softmax"]) or None))
        if hp.Choice("activation", [True, False]):
            model.add(keras.layers.Softmax())
        optimizer = keras.optimizers.SGD(rate, momentum=momentum)
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> list[Any]:
        """Train twice."""
        return [model.fit(*args, **kwargs), {"val_accuracy": 0.5}]
