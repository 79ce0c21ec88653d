"""Trials that failed as if the next ones would too: reasons for a study to pause.

A study whose trials all fail must not use up its budget for nothing, and one whose trials are never
counted must not run for ever. Whoever resumes it means it: each reason pauses a study once.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.coordinator.causes import POLICIES

#: How many of the first trials must fail alike for the study to pause.
SAME_FAILURES = 3
#: How many of the first trials must be pruned without any value for the study to pause.
VALUELESS = 3
#: After so many trials in a row that the budget does not count, and after as many again, it pauses.
UNCOUNTED = 5


class Setbacks:
    """The failures of one study. Mutable: it is told of every trial, in the order of their telling.

    The same trials give the same reasons, so that a coordinator that was killed before it could
    pause the study does so after its restart, and one that did need not do it again.
    """

    def __init__(self) -> None:
        #: Reasons for which the study is known to have paused already.
        self.said: set[str] = set()
        self._ended = 0
        self._valueless = 0
        self._alike: list[tuple[str, str]] = []
        self._uncounted = 0
        self._reasons: dict[str, str] = {}

    @property
    def reasons(self) -> list[str]:
        """Why the study should pause, or should have paused, in words."""
        return list(self._reasons.values())

    def note(self, trial: sa.Row[Any]) -> None:
        """Take in a trial that has ended."""
        self._ended += 1
        self._note_first(trial)
        self._note_valueless(trial)
        self._note_uncounted(trial)

    def _note_first(self, trial: sa.Row[Any]) -> None:
        if self._ended > SAME_FAILURES or trial.state != "fail" or trial.cause == "cancelled":
            return
        # What an error says is the same in every trial; the words about a tensor that did not fit,
        # or a worker that is gone, need not be.
        key = _last_line(trial.error) if trial.cause == "error" else ""
        self._alike.append((trial.cause, key))
        if len(self._alike) == SAME_FAILURES and len(set(self._alike)) == 1:
            text = f"the first {SAME_FAILURES} trials failed alike ({trial.cause})"
            self._reasons["alike"] = _with_line(text, trial)

    def _note_valueless(self, trial: sa.Row[Any]) -> None:
        is_valueless = trial.state == "pruned" and trial.objective is None
        self._valueless += is_valueless and self._valueless == self._ended - 1
        if self._valueless == VALUELESS == self._ended:
            self._reasons["valueless"] = (
                f"the first {VALUELESS} trials were pruned before they reported a number, which "
                "teaches nothing; report numbers (run.report(step, value)), or prune later"
            )

    def _note_uncounted(self, trial: sa.Row[Any]) -> None:
        # By the cause: what is tried again by the user is not counted either.
        policy = next((p for c, p in POLICIES.items() if c == trial.cause), None)
        if trial.state != "fail" or policy is None or policy.counted:
            self._uncounted = 0
            self._reasons.pop("uncounted", None)
            return
        self._uncounted += 1
        if self._uncounted % UNCOUNTED == 0:
            text = (
                f"{self._uncounted} trials in a row ended without a result that counts; "
                f"the last one, trial {trial.number} ({trial.cause})"
            )
            self._reasons["uncounted"] = _with_line(text, trial)


def _with_line(text: str, trial: sa.Row[Any]) -> str:
    line = _last_line(trial.error)
    return f"{text}: {line}" if line else text


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
