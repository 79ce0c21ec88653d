"""The Keras callback of a trial: reports, stops, checkpoints, and continues where a predecessor ended.

Keras is imported when a callback is made, never with this module. Steps are epochs finished, from
1. Only the first `fit` that has the callback writes checkpoints and continues from one: what a
later `fit` trains on may not be rebuilt before the first is done.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workers.checkpoints import Checkpoint, Checkpoints
from workers.numbers import as_float
from workers.session import Point, Session, Word

logger = logging.getLogger(__name__)

#: Batches may be as short as 0.1 ms; asking for orders is rarer than that.
POLL_S = 0.05
#: A preempted training finishes its epoch if that takes no longer; the worker grants 10 s in all.
FINISH_EPOCH_S = 4.0
#: A checkpoint after every long epoch may cost this part of its time.
CHECKPOINT_SHARE = 0.05


class MetricError(Exception):
    """The metric of the study is not among the logs of Keras."""


class Training:
    """One `fit` under the eyes of the service; holds no Keras object but the model it is given.

    Args:
        session: of the trial.
        checkpoints: where they are written; None writes none.
        metric: name in Keras' logs; None reports nothing.
        every_s: least time between two checkpoints, seconds.
    """

    def __init__(
        self,
        session: Session,
        checkpoints: Checkpoints | None,
        *,
        metric: str | None,
        every_s: float,
    ) -> None:
        self._session = session
        self._checkpoints = checkpoints
        self._metric = metric
        self._every_s = every_s
        self._saved_at = time.monotonic()
        self._save_s = 0.0
        self._epoch_at = time.monotonic()
        self._epoch_s = math.inf
        self._polled_at = 0.0

    def resume(self, model: Any) -> tuple[int, Sequence[Point]]:
        """Load the predecessor's newest checkpoint into `model`, if there is one.

        Returns:
            epochs finished, and the points up to there.
        """
        checkpoint = self._find_predecessor()
        if checkpoint is None or self._checkpoints is None:
            return 0, ()
        if model.optimizer is not None and not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        model.load_weights(checkpoint.path)
        self._session.last_step = checkpoint.step
        logger.info("training continues", extra={"step": checkpoint.step})
        return checkpoint.step, [p for p in self._session.curve if p.step <= checkpoint.step]

    def begin_epoch(self) -> None:
        """Note the time."""
        self._epoch_at = time.monotonic()

    def end_batch(self) -> None:
        """Raise the stop that the service wants, unless the epoch is about to end anyway.

        Raises:
            TrialStopped: the training is to end at once; what it did since the last epoch is lost.
        """
        now = time.monotonic()
        if now - self._polled_at < POLL_S:
            return
        self._polled_at = now
        word = self._session.word()
        if word == "continue":
            return
        left = self._epoch_s - (now - self._epoch_at)
        if word == "preempt" and self._checkpoints is not None and left < FINISH_EPOCH_S:
            return
        raise self._session.obey(word)

    def end_epoch(self, model: Any, logs: Mapping[str, Any], *, is_last: bool) -> bool:
        """Report the epoch; return whether the training must stop.

        A preempted training that has just ended anyway is left to return its result.

        Raises:
            MetricError: the metric is not among the logs.
        """
        self._epoch_s = time.monotonic() - self._epoch_at
        numbers = {k: v for k, raw in logs.items() if (v := as_float(raw)) is not None}
        step = self._session.last_step + 1
        if self._metric is not None:
            self._session.report(step, self._value(numbers, logs), numbers)
        else:
            self._session.last_step = step
        if problem := self._divergence(numbers):
            self._session.diverged = f"the training diverged in epoch {step}: {problem}"
            return True
        word = self._session.word()
        if self._is_checkpoint_due(word):
            self._checkpoint(model, step)
        if word == "continue" or (word == "preempt" and is_last):
            return False
        self._session.obey(word)
        return True

    def _value(self, numbers: Mapping[str, float], logs: Mapping[str, Any]) -> float:
        if self._metric not in numbers:
            raise MetricError(
                f"Keras logged no metric {self._metric!r}; it logged: {', '.join(sorted(logs)) or 'nothing'}. "
                "Keras names a metric as `metrics=` does, with val_ before it for validation data"
            )
        return numbers[self._metric]

    def _divergence(self, numbers: Mapping[str, float]) -> str | None:
        for name in (self._metric, "loss"):
            if name in numbers and not math.isfinite(numbers[name]):
                return f"{name} is {numbers[name]}"
        return None

    def _find_predecessor(self) -> Checkpoint | None:
        if self._checkpoints is None or self._session.attempt_no < 2 or self._session.last_step:
            return None
        curve = self._session.curve
        # A checkpoint beyond the known curve would leave a hole in it.
        return self._checkpoints.newest(up_to=curve[-1].step if curve else None)

    def _is_checkpoint_due(self, word: Word) -> bool:
        if self._checkpoints is None or word in ("prune", "cancel"):
            return False
        if word == "preempt" or time.monotonic() - self._saved_at >= self._every_s:
            return True
        # A preempted training cannot finish such an epoch, so its last one must be on the disk.
        return self._epoch_s > FINISH_EPOCH_S and self._save_s < CHECKPOINT_SHARE * self._epoch_s

    def _checkpoint(self, model: Any, step: int) -> None:
        if self._checkpoints is None:
            return
        started = time.monotonic()
        self._checkpoints.write(model, step)
        self._saved_at = time.monotonic()
        self._save_s = self._saved_at - started


def make_callback(session: Session, folder: Path, *, metric: str | None, every_s: float) -> Any:
    """Return a Keras callback for the trial of `session`.

    Args:
        session: of the trial.
        folder: of the checkpoints.
        metric: name in Keras' logs; None (a run by hand, without a metric) reports nothing.
        every_s: least time between two checkpoints, seconds.
    """
    import keras

    class TunerCallback(keras.callbacks.Callback):  # type: ignore[misc, name-defined,
    unused-ignore]
        """Passes on what Keras tells to a `Training`."""

        def __init__(self) -> None:
            super().__init__()
            self._training: Training | None = None
            self._earlier: Sequence[Point] = ()

        def on_train_begin(self, logs: Any = None) -> None:
            session.raise_if_stopped()
            first = session.last_step == 0
            checkpoints = Checkpoints(folder, session.attempt_no) if first else None
            self._training = Training(session, checkpoints, metric=metric, every_s=every_s)
            epochs, self._earlier = self._training.resume(self.model)
            if epochs:
                # What Keras' own BackupAndRestore sets; `fit` then counts on from there.
                self.model._initial_epoch = epochs  # noqa: SLF001

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if self._training is not None:
                self._training.begin_epoch()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if self._training is not None:
                self._training.end_batch()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if self._training is None:
                return
            is_last = epoch + 1 >= self.params.get("epochs", math.inf)
            if self._training.end_epoch(self.model, logs or {}, is_last=is_last):
                self.model.stop_training = True

        def on_train_end(self, logs: Any = None) -> None:
            if self._earlier:
                _complete_history(self.model, self._earlier, keras.callbacks.History)

    return TunerCallback()


def _complete_history(model: Any, earlier: Sequence[Point], history_class: Any) -> None:
    """Put the predecessor's epochs before those of this `fit`, so that `max(history)` sees all."""
    history = getattr(model, "history", None)
    if history is None:
        # No epoch was left to train: Keras sets the attribute at the end of an epoch only.
        history = model.history = history_class()
        history.epoch = []
    history.epoch = [point.step - 1 for point in earlier] + list(history.epoch)
    for name in {key for point in earlier for key in point.metrics}:
        before = [point.metrics.get(name, math.nan) for point in earlier]
        history.history[name] = before + list(history.history.get(name, []))
