"""The error by which our own code ends a trial with a cause."""

from __future__ import annotations

from tuner.protocol import Cause


class CausedError(Exception):
    """Ends a trial with a cause, from within the objective; the text is shown as it is."""

    def __init__(self, cause: Cause, text: str) -> None:
        super().__init__(text)
        self.cause = cause
