"""Why a command has failed."""

from __future__ import annotations

from tuner.protocol import Cause
from workers.caused import CausedError


class CommandError(CausedError):
    """The command could not be started, or ended without a result; the text says what to do.

    Args:
        text: for the user.
    """

    def __init__(self, text: str, cause: Cause = "error") -> None:
        super().__init__(cause, text)
