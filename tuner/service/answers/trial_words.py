"""The states of trials as users see them: Optuna's words."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.documents.trial import OutcomeWord, TrialWord
from tuner.trials.states import TrialState

OUTCOME_WORDS: Mapping[TrialState, OutcomeWord] = {
    TrialState.COMPLETE: "COMPLETE",
    TrialState.PRUNED: "PRUNED",
    TrialState.FAIL: "FAIL",
}
TRIAL_WORDS: Mapping[TrialState, TrialWord] = {
    TrialState.WAITING: "WAITING",
    TrialState.RUNNING: "RUNNING",
    **OUTCOME_WORDS,
}
