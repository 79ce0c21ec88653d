"""Failures that suggest the next trials will fail too: reasons for a study to pause.

A study whose trials all fail must not waste its budget, and one whose trials are never counted must
not run forever. A user who resumes the study has decided: each reason pauses a study only once.
"""

from __future__ import annotations

import math
import re

from tuner.protocol import Cause
from tuner.trials.causes import POLICIES, is_infeasible
from tuner.trials.states import TrialState
from tuner.trials.trial import Trial

#: Number of first trials that must fail in the same way for the study to pause.
SAME_FAILURES = 3
#: Number of first trials that must be pruned without any value for the study to pause.
VALUELESS = 3
#: Number of consecutive failures of the same kind after which it pauses, and again after as many
#: more.
ROW = 10
#: Number of consecutive trials not counted in the budget after which it pauses, and again after as
#: many more.
UNCOUNTED = 5
#: Maximum length of an error's line that is shown, in characters.
_LONGEST = 300
_NUMBERS = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?")


class FailureStreaks:
    """The failures of one study. Mutable: it is told every trial, in the order of the results.

    The same trials give the same reasons, so a coordinator that was killed before it could pause
    the study does so after its restart, and one that did need not do it again.

    Args:
        study: its name, for the commands in a reason.
    """

    def __init__(self, study: str) -> None:
        #: Reasons for which the study is known to have paused already.
        self.said: set[str] = set()
        #: Failures from before a repair: see `_note_mended`.
        self.mended: frozenset[int] = frozenset()
        self._study = study
        self._ended = 0
        self._valueless = 0
        self._worked = 0
        self._alike: list[tuple[Cause | None, str]] = []
        self._row: list[Trial] = []
        #: Whether the row contains all failures so far.
        self._is_whole = True
        #: Number of the last trial for which the study was to pause because of the row.
        self._paused = math.inf
        self._uncounted = 0
        self._reasons: dict[str, str] = {}

    @property
    def reasons(self) -> list[str]:
        """Why the study should pause, or should have paused, in words."""
        return list(self._reasons.values())

    def note(self, trial: Trial) -> None:
        """Record a trial that has ended."""
        self._ended += 1
        self._note_first(trial)
        self._note_valueless(trial)
        self._note_uncounted(trial)
        if trial.state is not TrialState.FAIL:
            self._note_mended(trial)
            self._worked += 1
            self._end_row()
        elif is_infeasible(trial.cause):
            self._note_failed(trial)

    def _note_first(self, trial: Trial) -> None:
        if (
            self._ended > SAME_FAILURES
            or trial.state is not TrialState.FAIL
            or trial.cause == "cancelled"
        ):
            return
        # The text of an error is the same in every trial; that about a tensor that did not fit, or
        # a worker that is gone, may differ.
        key = _last_line(trial.error) if trial.cause == "error" else ""
        self._alike.append((trial.cause, key))
        if len(self._alike) == SAME_FAILURES and len(set(self._alike)) == 1:
            text = f"the first {SAME_FAILURES} trials failed alike ({trial.cause})"
            self._reasons["alike"] = _with_line(text, trial)

    def _note_valueless(self, trial: Trial) -> None:
        is_valueless = trial.state is TrialState.PRUNED and trial.objective is None
        self._valueless += is_valueless and self._valueless == self._ended - 1
        if self._valueless == VALUELESS == self._ended:
            self._reasons["valueless"] = (
                f"the first {VALUELESS} trials were pruned before they reported a number, which "
                "teaches nothing. Report numbers: run.report(step, value); "
                f"without a pruner: tuner edit {self._study} pruner=none; "
                f"continue anyway: tuner resume {self._study}"
            )

    def _note_failed(self, trial: Trial) -> None:
        if self._row and _kind(trial) != _kind(self._row[-1]):
            self._end_row()
            self._is_whole = False
        self._row.append(trial)
        count = len(self._row)
        if count % ROW == 0:
            self._reasons["row"] = self._row_text(trial)
        if count % ROW == 0 or (count == SAME_FAILURES and "alike" in self._reasons):
            self._paused = math.inf if trial.finished is None else trial.finished

    def _row_text(self, trial: Trial) -> str:
        count, number, study = len(self._row), trial.number, self._study
        text = f"{count} trials in a row failed alike, trial {number} the last ({trial.cause})"
        reading = (
            "no trial has worked so far, so the code may be broken"
            if self._worked == 0
            else f"others worked ({self._worked}), so a part of the search space may be bad"
        )
        return (
            f"{_with_line(text, trial)}; {reading}. "
            f"Look: tuner show {study} {number}; "
            f"with corrected code: tuner retry {study} --spec SPEC; "
            f"continue anyway: tuner resume {study}"
        )

    def _end_row(self) -> None:
        self._row = []
        self._paused = math.inf
        self._reasons.pop("row", None)

    def _note_mended(self, trial: Trial) -> None:
        """Check whether the common cause of all failures so far was repaired during a pause.

        That is the case if the first trial proposed after the pause succeeds: then the failures
        said nothing about their configurations. A bad region of the space would continue to fail.
        """
        all_alike = self._worked == 0 and self._is_whole
        before = all(row.created <= self._paused for row in self._row)
        if all_alike and before and trial.created > self._paused:
            self.mended = frozenset(row.number for row in self._row)

    def _note_uncounted(self, trial: Trial) -> None:
        # By cause: trials that the user tries again are not counted either.
        policy = None if trial.cause is None else POLICIES.get(trial.cause)
        if trial.state is not TrialState.FAIL or policy is None or policy.counted:
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


def _kind(trial: Trial) -> tuple[Cause | None, str]:
    """Return what similar failures share: the cause, and the error's text without numbers."""
    # A shape, or a value, differs from trial to trial.
    line = _NUMBERS.sub("", _last_line(trial.error)) if trial.cause == "error" else ""
    return trial.cause, line


def _with_line(text: str, trial: Trial) -> str:
    line = _last_line(trial.error)[:_LONGEST]
    return f"{text}: {line}" if line else text


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
