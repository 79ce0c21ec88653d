"""How an oracle learns about epochs, and about a search that was interrupted.

KerasTuner tells an oracle neither: `Tuner.on_epoch_end`, the hook that its training callback calls,
does nothing, and an interrupted `search` leaves its trial running. Both are public methods; they
now tell our oracles, and behave as before for tuners with other oracles.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from keras_tuner import Tuner
from keras_tuner.engine.base_tuner import BaseTuner

_MARK = "_tells_tuner_service"


@runtime_checkable
class Listener(Protocol):
    """An oracle that wants to be told."""

    def on_epoch_end(
        self, trial: Any, model: Any, epoch: int, logs: Mapping[str, Any] | None
    ) -> None:
        """Receive the logs of an epoch of a trial's training; may stop the training."""

    def on_search_left(self) -> None:
        """Release the trials that will not be continued: `search` ends with an exception."""


def install() -> None:
    """Make tuners tell their oracle; idempotent."""
    if getattr(Tuner, _MARK, False):
        return
    epoch_end, search = Tuner.on_epoch_end, BaseTuner.search

    @functools.wraps(epoch_end)
    def on_epoch_end(
        self: Any, trial: Any, model: Any, epoch: int, logs: Mapping[str, Any] | None = None
    ) -> None:
        epoch_end(self, trial, model, epoch, logs)
        if isinstance(self.oracle, Listener):
            self.oracle.on_epoch_end(trial, model, epoch, logs)

    @functools.wraps(search)
    def search_or_let_go(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return search(self, *args, **options)
        except BaseException:
            if isinstance(self.oracle, Listener):
                self.oracle.on_search_left()
            raise

    Tuner.on_epoch_end = on_epoch_end
    BaseTuner.search = search_or_let_go
    setattr(Tuner, _MARK, True)
