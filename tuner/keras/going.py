"""A trial that this process executes, between KerasTuner's words for it and the service's."""

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

#: With a pruner, so long the answer to a report is waited for, s.
JUDGED_S = 1.0


class Going:
    """Reports the trial's epochs, and hands its result over.

    The curve is that of the first training: KerasTuner averages what further executions come to,
    and a trial that is tried again repeats the epochs that it has reported.

    Args:
        held: the attempt.
        files: what it leaves in the log root.
        given: the hyperparameters that the study was submitted with.
        maximize: whether a larger objective is better.
        may_meet: whether hyperparameters that the trial meets are to be tuned from then on.
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
        #: The best value that was reported, and its epoch from 0.
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
        #: What the study knows beyond what it was submitted with.
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
        """Report an epoch; return whether the training is to end.

        Args:
            epoch: from 0, as Keras counts.
            value: of the objective; None: it is not among the logs.
            metrics: all numbers of the logs.
            hyperparameters: of the trial, with what it has met so far.
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
        """Hand over how a trial has ended; False: nobody wants to know any more.

        Args:
            trial: KerasTuner's, COMPLETED or FAILED.
            say: tells the user something.
        """
        self._meet(trial.hyperparameters)
        finished = self.held.finish(self._finish(trial), say)
        if finished is None:
            self._files.close()
            return False
        self._files.finish(finished, self._params)
        return True

    def give_back(self) -> None:
        """Let another process, or this one later, execute the trial."""
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
        """Tell the service of hyperparameters that the study did not know, with their values."""
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
