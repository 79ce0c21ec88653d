"""A trial that this process executes: translates between KerasTuner and the service."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras_tuner.engine.trial import TrialStatus

from tuner.errors import SpecError
from tuner.keras.service.held import Held
from tuner.keras.service.run_files import RunFiles
from tuner.keras.spaces import Item, Known, SpaceMap
from tuner.keras.values import numbers_of
from tuner.protocol import (
    ERROR_LINES,
    MAX_ERROR_CHARS,
    Finish,
    Found,
    encode_number,
    fitting_metrics,
)

logger = logging.getLogger(__name__)

#: With a pruner, the seconds to wait for the answer to a report.
JUDGED_S = 1.0


class Going:
    """Reports the trial's epochs and submits its result.

    The curve is that of the first training: KerasTuner averages the results of further executions,
    and a trial that is tried again repeats the epochs that it has reported.

    Args:
        files: its files in the log root.
        given: the hyperparameters that the study was submitted with.
        maximize: whether a larger objective is better.
        may_meet: whether hyperparameters that the trial finds are tuned from then on.
        is_judged: whether the study has a pruner.
    """

    def __init__(
        self,
        held: Held,
        files: RunFiles,
        given: Sequence[Item],
        *,
        maximize: bool,
        may_meet: bool,
        is_judged: bool,
    ) -> None:
        self.held = held
        #: The best reported value, and its epoch from 0.
        self.best: tuple[float, int] | None = None
        self._files = files
        self._given = given
        self._maximize = maximize
        self._may_meet = may_meet
        self._is_judged = is_judged
        self._last_epoch = -1
        self._is_told_to_prune = False
        self._is_first_training = True
        self._seen = 0
        #: What the study knows in addition to what it was submitted with.
        self.known = [
            Known(name=item.name, source=item.source, definition=item.definition)
            for item in held.assignment.known
            if item.source
        ]
        self._space = SpaceMap(given, self.known)
        self._params = dict(held.assignment.params)

    @property
    def values(self) -> dict[str, Any]:
        """The proposed values by the hyperparameters' own names."""
        return self._space.values(self.held.assignment.params)

    def end_epoch(
        self, epoch: int, value: float | None, metrics: Mapping[str, float], hyperparameters: Any
    ) -> bool:
        """Report an epoch; return whether to end the training.

        Args:
            epoch: from 0, as Keras counts.
            value: of the objective; None if it is not in the logs.
            metrics: all numbers in the logs.
            hyperparameters: of the trial, including those that it has found so far.
        """
        self._is_first_training = self._is_first_training and epoch > self._last_epoch
        self._last_epoch = epoch
        if self._is_first_training and value is not None:
            self._note_best(value, epoch)
            self._meet(hyperparameters)
            if self.held.report(epoch + 1, value, metrics):
                self._files.add_point(epoch + 1, value, metrics, self._params)
                if self._is_judged:
                    self.held.wait_judged(JUDGED_S)
        self._is_told_to_prune = self._is_told_to_prune or self.held.order == "prune"
        return self.held.wants_end

    @property
    def is_pruned(self) -> bool:
        """Whether its training was ended early because others do better."""
        return self._is_told_to_prune and self.best is not None

    def end(self, trial: Any, say: Callable[[str], None]) -> bool:
        """Submit the trial's result; False: it is no longer wanted.

        Args:
            trial: KerasTuner's trial, COMPLETED or FAILED.
            say: shows the user a message.
        """
        self._meet(trial.hyperparameters)
        finished = self.held.finish(self._finish(trial), say)
        if finished is None:
            self._files.close()
            return False
        self._files.finish(finished, self._params)
        return True

    def give_back(self) -> None:
        """Return the trial, so that another process, or this one later, executes it."""
        self._files.close()
        self.held.give_back()

    def _finish(self, trial: Any) -> Finish:
        if trial.status != TrialStatus.COMPLETED:
            is_nan = trial.score is not None and math.isnan(trial.score)
            lines = (trial.message or "the objective is NaN").splitlines()[-ERROR_LINES:]
            return Finish(
                token="",  # nosec B106  # the line puts its own in
                outcome="failed",
                cause="diverged" if is_nan else "error",
                error="\n".join(lines)[-MAX_ERROR_CHARS:],
            )
        last = {name: trial.metrics.get_last_value(name) for name in trial.metrics.metrics}
        finite = {
            name: number for name, number in numbers_of(last).items() if math.isfinite(number)
        }
        return Finish(
            token="",  # nosec B106  # the line puts its own in
            outcome="pruned" if self.is_pruned else "complete",
            values=[] if self.is_pruned else [encode_number(float(trial.score))],
            metrics=fitting_metrics(finite),
        )

    def _note_best(self, value: float, epoch: int) -> None:
        best = self.best
        better = best is None or (value > best[0] if self._maximize else value < best[0])
        if better and math.isfinite(value):
            self.best = (value, epoch)

    def _meet(self, hyperparameters: Any) -> None:
        """Tell the service about hyperparameters that the study did not know, with their values."""
        items: list[Item] = hyperparameters.get_config()["space"]
        if not self._may_meet or len(items) == self._seen:
            return
        self._seen = len(items)
        try:
            space = SpaceMap(self._given, self.known, items)
        except SpecError as exc:
            logger.warning("%s; it keeps its default", exc)
            return
        met = space.met(hyperparameters.values, self.held.assignment.params)
        self._params |= met
        names = {*self._space.definitions(), *self.held.assignment.params}
        self.held.meet(
            [
                Found(
                    name=entry.name,
                    source=entry.source,
                    definition=entry.definition,
                    value=met.get(entry.name),
                )
                for entry in space.entries
                if entry.name in met or entry.name not in names
            ]
        )
