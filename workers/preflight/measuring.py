"""The size of a model, and how long one step of its training takes.

Models are from Keras or PyTorch; neither is imported here before the user's code does so.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Keras' default batch size.
DEFAULT_BATCH = 32
#: Number of steps to time after the first one, which compiles; and the maximum seconds for them.
STEPS = 5
STEPS_S = 10.0
_ITEM_BYTES = {
    "float64": 8,
    "int64": 8,
    "float16": 2,
    "bfloat16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}


class EnoughStepsError(Exception):
    """The training has made the steps that were to be timed."""


@dataclass(frozen=True, kw_only=True)
class Weight:
    """The memory that a training needs, in bytes; unknown parts are None."""

    parameters: int | None
    weights: int | None = None
    #: The same amount as the trainable weights.
    gradients: int | None = None
    optimizer: int | None = None
    #: For one batch, kept for the backward pass.
    activations: int | None = None

    @property
    def total(self) -> int | None:
        """The sum of the known parts; None if not even the weights are known."""
        if self.weights is None:
            return None
        parts = (self.weights, self.gradients, self.optimizer, self.activations)
        return sum(part for part in parts if part is not None)


def weigh(model: Any, batch: int) -> Weight:
    """Return the memory that a model's training needs.

    Args:
        model: from Keras or PyTorch; anything else has no known size.
        batch: number of examples in a batch.
    """
    if hasattr(model, "count_params"):
        return _weigh_keras(model, batch)
    if callable(getattr(model, "parameters", None)):
        return _weigh_torch(model)
    return Weight(parameters=None)


def _weigh_keras(model: Any, batch: int) -> Weight:
    try:
        parameters = int(model.count_params())
    except ValueError:
        return Weight(parameters=None)  # it is built by its first batch
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        # Its slots are as large as the class says; nothing else knows.
        with contextlib.suppress(Exception):
            optimizer.build(model.trainable_variables)
    return Weight(
        parameters=parameters,
        weights=_bytes_of(model.weights),
        gradients=_bytes_of(model.trainable_weights),
        optimizer=None if optimizer is None else _bytes_of(optimizer.variables),
        activations=_activations(model, batch),
    )


def _weigh_torch(model: Any) -> Weight:
    sizes = [(p.numel(), p.numel() * p.element_size(), p.requires_grad) for p in model.parameters()]
    return Weight(
        parameters=sum(count for count, _, _ in sizes),
        weights=sum(size for _, size, _ in sizes),
        gradients=sum(size for _, size, trained in sizes if trained),
    )


def _bytes_of(variables: Any) -> int:
    return sum(
        math.prod(int(side) for side in variable.shape) * _ITEM_BYTES.get(str(variable.dtype), 4)
        for variable in variables
    )


def _activations(model: Any, batch: int) -> int | None:
    """Return the size of all layers' outputs for a batch; None if no layer has a known shape."""
    sizes = [
        math.prod(shape) * _ITEM_BYTES.get(str(layer.compute_dtype), 4)
        for layer in _layers(model)
        for shape in _shapes(layer)
    ]
    return sum(sizes) * batch if sizes else None


def _layers(model: Any) -> Iterator[Any]:
    for layer in getattr(model, "layers", ()):
        if getattr(layer, "layers", None):
            yield from _layers(layer)
        else:
            yield layer


def _shapes(layer: Any) -> Iterator[tuple[int, ...]]:
    """Yield the shapes of a layer's outputs without the batch, as far as they are known."""
    try:
        outputs = layer.output
    except (AttributeError, ValueError):
        return
    for output in outputs if isinstance(outputs, list | tuple) else [outputs]:
        sides = tuple(getattr(output, "shape", ()))[1:]
        if all(isinstance(side, int) for side in sides):
            yield sides


def batch_of(params: Mapping[str, Any], arguments: Mapping[str, Any], data: Any) -> int:
    """Return the batch size: from `fit`, a parameter, the data, or Keras' default."""
    for name, value in [("batch_size", arguments.get("batch_size")), *params.items()]:
        is_count = isinstance(value, int) and not isinstance(value, bool) and value > 0
        if is_count and name.rpartition(".")[2] == "batch_size":
            return int(value)
    spec = getattr(data, "element_spec", None)
    while isinstance(spec, list | tuple) and spec:
        spec = spec[0]
    sides = tuple(getattr(spec, "shape", None) or ())
    return int(sides[0]) if sides and isinstance(sides[0], int) else DEFAULT_BATCH


def make_timer() -> Any:
    """Return a Keras callback that times some steps of `fit` and then raises EnoughStepsError.

    Its `first_s` is the time of the first step, which compiles, `step_s` the mean of those after
    it, None before there are two; `steps` and `epochs` are what this `fit` would do in total, None
    if unknown.
    """
    keras = sys.modules["keras"]

    class StepTimer(keras.callbacks.Callback):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.step_s: float | None = None
            self.first_s: float | None = None
            self.steps: int | None = None
            self.epochs: int | None = None
            self._started = self._began = time.perf_counter()
            self._spent_s = 0.0
            self._count = 0

        def on_train_begin(self, logs: Any = None) -> None:
            del logs
            self._started = time.perf_counter()
            self.steps, self.epochs = self.params.get("steps"), self.params.get("epochs")

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            del batch, logs
            self._began = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            del batch
            # Reading a number makes an accelerator finish the step.
            for value in (logs or {}).values():
                float(value)
            now = time.perf_counter()
            if self._count == 0:
                self.first_s = now - self._started
            else:
                self._spent_s += now - self._began
                self.step_s = self._spent_s / self._count
            self._count += 1
            if self._count > STEPS or (self._count > 1 and now - self._started > STEPS_S):
                raise EnoughStepsError

    return StepTimer()
