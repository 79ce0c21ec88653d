"""The error with which code of ours ends a trial for a cause."""

from __future__ import annotations

from tuner.protocol import Cause


class CausedError(Exception):
    """What has ended a trial, with its cause, as an objective was told; the text is all of it."""

    def __init__(self, cause: Cause, text: str) -> None:
        super().__init__(text)
        self.cause = cause
