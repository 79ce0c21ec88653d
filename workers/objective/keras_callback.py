"""The Keras callback of a trial. Keras is imported when one is made, not with this module."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tuner.roots import Place
from workers.backends.seeing import require_gpus
from workers.objective.session import Session
from workers.objective.training import Training


def make_callback(
    session: Session,
    place: Place,
    *,
    metric: str | None,
    every_s: float,
    needs_metric: bool = True,
    devices: Sequence[str] = (),
) -> Any:
    """Return a Keras callback that follows the trial's trainings; `Training` says what it does.

    Args:
        metric: name in Keras' logs; None (when run by hand, without a metric) reports nothing.
        every_s: minimum time between two checkpoints, in seconds.
        needs_metric: whether an epoch without the metric is an error; otherwise it is not reported.
        devices: UUIDs of the GPUs that Keras' backend must see.
    """
    import keras

    training = Training(session, place, metric=metric, every_s=every_s, needs_metric=needs_metric)
    base: Any = keras.callbacks.Callback

    class TunerCallback(base):  # type: ignore[misc]
        """Forwards events from Keras, or from a user-defined loop, to a `Training`."""

        def on_train_begin(self, logs: Any = None) -> None:
            require_gpus(keras.config.backend(), devices)
            _begin(training, self)

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            training.begin_epoch()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            training.end_batch(self.model)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            _end_epoch(training, self, epoch, logs or {})

        def on_train_end(self, logs: Any = None) -> None:
            if _epochs(self) is not None:
                training.end(self.model)

    return TunerCallback()


def _epochs(callback: Any) -> int | None:
    """Return how many epochs Keras trains; None in a user-defined loop."""
    epochs: int | None = (callback.params or {}).get("epochs")
    return epochs


def _begin(training: Training, callback: Any) -> None:
    # Only Keras' own `fit` starts at the epoch of a checkpoint.
    if _epochs(callback) is not None:
        training.begin(callback.model)


def _end_epoch(training: Training, callback: Any, epoch: int, logs: dict[str, Any]) -> None:
    epochs = _epochs(callback)
    is_last = epoch + 1 >= (math.inf if epochs is None else epochs)
    training.end_epoch(callback.model, logs, is_last=is_last)
    if epochs is None:
        # A user-defined loop does not check `stop_training`.
        training.raise_if_over()
