"""What ends or pauses a study automatically: budget, target, patience, and failures in a row."""

from __future__ import annotations

import sqlalchemy as sa

from tuner.coordinator.studies.study_run import StudyRun
from tuner.storage import Storage, tables
from tuner.trials.states import StudyState, state_text
from tuner.trials.study import Study
from tuner.trials.timing import active_s


def limit_reached(run: StudyRun, study: Study, now: float) -> str | None:
    """Return in words which limit of the budget the study has reached, or None."""
    if run.nothing_left and run.in_flight == 0:
        head = "nothing to search" if run.awaits_space else "search space exhausted"
        return f"{head}: {run.nothing_left}"
    budget = run.spec.budget
    if budget.trials is not None and run.used >= budget.trials:
        return f"budget.trials: {budget.trials} trials are done"
    if budget.hours is not None and active_s(study, now) >= budget.hours * 3600:
        return f"budget.hours: {budget.hours:g} hours are over"
    if budget.target is not None and run.best is not None:
        goal = run.spec.metrics[0].goal
        hit = run.best >= budget.target if goal == "maximize" else run.best <= budget.target
        if hit:
            return f"budget.target: {run.best:.6g} reaches {budget.target:g}"
    if budget.patience is not None and run.since_best >= budget.patience:
        return f"budget.patience: {run.since_best} trials without gain"
    return None


def new_pause_reason(storage: Storage, run: StudyRun) -> str | None:
    """Return a reason to pause for which the study has not been paused before, or None."""
    e = tables.events
    for reason in run.streaks.reasons:
        if reason in run.streaks.said:
            continue
        query = sa.select(e.c.id).where(
            e.c.study_id == run.study.id,
            e.c.kind == "study-paused",
            e.c.text == state_text(StudyState.PAUSED, reason),
        )
        with storage.read() as connection:
            if connection.execute(query.limit(1)).first() is None:
                return reason
        # The user has resumed the study despite it.
        run.streaks.said.add(reason)
    return None
