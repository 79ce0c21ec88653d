"""One Keras training, monitored by the service; works with Keras' models without importing it.

Steps are finished epochs, from 1. Only the first `fit` of a trial writes checkpoints and continues
from one: what a later `fit` trains may not be rebuilt before the first one is done.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tuner.roots import Place
from workers.objective.checkpoints import Checkpoint, Checkpoints
from workers.objective.numbers import as_float
from workers.objective.session import ReportedPoint, Session, Word

logger = logging.getLogger(__name__)

#: Minimum seconds between checks for orders: batches may be as short as 0.1 ms.
POLL_S = 0.05
#: A preempted training finishes its epoch if that takes at most this many seconds; the worker
#: grants 10 s in total.
FINISH_EPOCH_S = 4.0
#: Maximum share of an epoch's time for a checkpoint after every long epoch.
CHECKPOINT_SHARE = 0.05


class MetricError(Exception):
    """The metric of the study is not in the logs of Keras."""


class Training:
    """Reports, stops, checkpoints and continues a training. Mutable: it follows one `fit`.

    Args:
        metric: name in Keras' logs; None (when run by hand, without a metric) reports nothing.
        every_s: minimum time between two checkpoints, in seconds.
        needs_metric: whether an epoch without the metric is an error; otherwise it is not reported.
    """

    def __init__(
        self,
        session: Session,
        place: Place,
        *,
        metric: str | None,
        every_s: float,
        needs_metric: bool = True,
    ) -> None:
        self._session = session
        self._place = place
        self._metric = metric
        self._every_s = every_s
        self._needs_metric = needs_metric
        self._checkpoints: Checkpoints | None = None
        #: The points of the predecessor that this `fit` continues.
        self._earlier: Sequence[ReportedPoint] = ()
        self._own: list[ReportedPoint] = []
        self._saved_at = 0.0
        self._save_s = 0.0
        self._epoch_at = 0.0
        self._epoch_s = math.inf
        self._polled_at = 0.0

    def begin(self, model: Any) -> None:
        """Continue from the predecessor's newest checkpoint, if there is one.

        What the predecessor's worker had no time to report is reported now.

        Raises:
            TrialStopped: the trial was told to stop before this `fit`.
            OSError: the checkpoint root cannot be read.
        """
        self._session.raise_if_stopped()
        is_first = self._session.last_step == 0
        self._checkpoints = Checkpoints(self._place, self._session.attempt_no) if is_first else None
        self._saved_at = time.monotonic()
        self._earlier, self._own = (), []
        found = self._find_predecessor()
        if found is None:
            return
        checkpoint, unposted = found
        if model.optimizer is not None and not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        model.load_weights(checkpoint.path)
        # The attribute that Keras' own BackupAndRestore sets; `fit` then counts from there.
        model._initial_epoch = checkpoint.step  # noqa: SLF001
        for point in unposted:
            self._session.report(point.step, point.value, point.metrics)
        self._session.last_step = checkpoint.step
        known = [point for point in self._session.curve if point.step <= checkpoint.step]
        self._earlier = known + unposted
        logger.info("training continues", extra={"step": checkpoint.step})

    def begin_epoch(self) -> None:
        """Record the time."""
        self._epoch_at = time.monotonic()

    def end_batch(self, model: Any) -> None:
        """End the training in mid-epoch if the service wants that; a partial epoch is lost.

        A pruned training ends in Keras' way, and the objective continues. For other orders, time is
        short, unless the epoch is about to end anyway: then its end decides.

        Raises:
            TrialCancelled: immediately, without validation.
            TrialPreempted: immediately, without validation.
        """
        now = time.monotonic()
        if now - self._polled_at < POLL_S:
            return
        self._polled_at = now
        word = self._session.word()
        if word == "continue":
            return
        if word == "prune":
            self._session.obey(word)
            _stop(model)
            return
        left = self._epoch_s - (now - self._epoch_at)
        if word == "preempt" and self._checkpoints is not None and left < FINISH_EPOCH_S:
            return
        raise self._session.obey(word)

    def end_epoch(self, model: Any, logs: Mapping[str, Any], *, is_last: bool) -> None:
        """Report the epoch, write a checkpoint if one is due, and stop the training if ordered.

        A preempted training that has just ended by itself may return its result.

        Raises:
            MetricError: the metric is not in the logs.
        """
        if self._session.obeyed is not None:
            # A partial epoch before a stop does not count.
            return
        self._epoch_s = time.monotonic() - self._epoch_at
        numbers = {k: v for k, raw in logs.items() if (v := as_float(raw)) is not None}
        self._report(numbers, logs)
        if problem := self._divergence(numbers):
            epoch = self._session.last_step
            self._session.diverged = f"the training diverged in epoch {epoch}: {problem}"
            _stop(model)
            return
        word = self._session.word()
        if self._is_checkpoint_due(word):
            self._checkpoint(model)
        if word != "continue" and not (word == "preempt" and is_last):
            self._session.obey(word)
            _stop(model)

    def raise_if_over(self) -> None:
        """Raise the exception that ends a training outside of Keras' own loop.

        Raises:
            TrialStopped: the service wants it to end.
            FloatingPointError: it has diverged.
        """
        self._session.raise_if_stopped()
        if self._session.diverged is not None:
            raise FloatingPointError(self._session.diverged)

    def end(self, model: Any) -> None:
        """Insert the predecessor's epochs before those of this `fit`, so that `history` has all."""
        if not self._earlier:
            return
        history = model.history
        if history is None:
            # No epoch was left to train, and Keras sets the attribute only at the end of an epoch.
            history = model.history = _new_history()
        history.epoch = [point.step - 1 for point in self._earlier] + list(history.epoch)
        logs = [{self._metric: point.value, **point.metrics} for point in self._earlier]
        for name in {*history.history, *(key for log in logs for key in log if key is not None)}:
            before = [log.get(name, math.nan) for log in logs]
            history.history[name] = before + list(history.history.get(name, []))

    def _report(self, numbers: Mapping[str, float], logs: Mapping[str, Any]) -> None:
        step = self._session.last_step + 1
        if self._metric is None or not (self._needs_metric or self._metric in numbers):
            self._session.last_step = step
            return
        if self._metric not in numbers:
            raise MetricError(
                f"Keras logged no metric {self._metric!r}; "
                f"it logged: {', '.join(sorted(logs)) or 'nothing'}. "
                "Keras names a metric as `metrics=` does, with val_ before it for validation data"
            )
        value = numbers[self._metric]
        self._own.append(ReportedPoint(step=step, value=value, metrics=dict(numbers)))
        self._session.report(step, value, numbers)

    def _divergence(self, numbers: Mapping[str, float]) -> str | None:
        for name in (self._metric or "loss", "loss"):
            if not math.isfinite(numbers.get(name, 0.0)):
                return f"{name} is {numbers[name]}"
        return None

    def _find_predecessor(self) -> tuple[Checkpoint, list[ReportedPoint]] | None:
        if self._checkpoints is None or self._session.attempt_no < 2:
            return None
        curve = self._session.curve
        return self._checkpoints.newest(known=curve[-1].step if curve else 0)

    def _is_checkpoint_due(self, word: Word) -> bool:
        if self._checkpoints is None or word in ("prune", "cancel"):
            return False
        if word == "preempt" or time.monotonic() - self._saved_at >= self._every_s:
            return True
        # A preempted training cannot finish such an epoch, so its last one must be on disk.
        return self._epoch_s > FINISH_EPOCH_S and self._save_s < CHECKPOINT_SHARE * self._epoch_s

    def _checkpoint(self, model: Any) -> None:
        if self._checkpoints is None:
            return
        started = time.monotonic()
        curve = [*self._earlier, *self._own]
        self._checkpoints.write(model, self._session.last_step, curve)
        self._saved_at = time.monotonic()
        self._save_s = self._saved_at - started


def _new_history() -> Any:
    import keras

    history = keras.callbacks.History()
    history.epoch = []
    return history


def _stop(model: Any) -> None:
    # A user-defined loop may not have set a model on the callback.
    if model is not None:
        model.stop_training = True
