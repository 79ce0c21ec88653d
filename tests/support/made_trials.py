"""Trials as the database has them, made by hand."""

from __future__ import annotations

from typing import Any

from tuner.trials.states import TrialState
from tuner.trials.trial import Trial


def made_trial(number: int, state: TrialState, **facts: Any) -> Trial:
    """Return a trial of which only `facts` matter: columns by name."""
    row: dict[str, Any] = {
        "study_id": 1,
        "params_json": "{}",
        "code": None,
        "git_json": "null",
        "seed": 0,
        "proposal_json": "{}",
        "optuna_id": number + 1,
        "objective": None,
        "values_json": None,
        "metrics_json": None,
        "cause": None,
        "error": "",
        "counted": True,
        "told": None,
        "outcome_attempt": None,
        "created": 0.0,
        "started": None,
        "finished": None,
        "duration_s": None,
    }
    return Trial(number=number, state=state, **{**row, **facts})
