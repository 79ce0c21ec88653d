"""The Keras callback of a trial. Keras is imported when one is made, never with this module."""

from __future__ import annotations

import math
from typing import Any

from tuner.roots import Place
from workers.session import Session
from workers.training import Training


def make_callback(session: Session, place: Place, *, metric: str | None, every_s: float) -> Any:
    """Return a Keras callback that follows the trial's trainings; see `Training` for what it does.

    Args:
        session: of the trial.
        place: of the checkpoints.
        metric: name in Keras' logs; None (a run by hand, without a metric) reports nothing.
        every_s: least time between two checkpoints, seconds.
    """
    import keras

    training = Training(session, place, metric=metric, every_s=every_s)
    base: Any = keras.callbacks.Callback

    class TunerCallback(base):  # type: ignore[misc]
        """Passes on what Keras tells to a `Training`."""

        def on_train_begin(self, logs: Any = None) -> None:
            training.begin(self.model)

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            training.begin_epoch()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            training.end_batch(self.model)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            is_last = epoch + 1 >= self.params.get("epochs", math.inf)
            training.end_epoch(self.model, logs or {}, is_last=is_last)

        def on_train_end(self, logs: Any = None) -> None:
            training.end(self.model)

    return TunerCallback()
