"""Objectives that train nothing, so that only the service around them costs time."""

from __future__ import annotations

import time

from workers import Run

REPORTS = 3


def timed(run: Run) -> dict[str, float]:
    """Return at once, with the moments at which the objective began and ended."""
    began = time.time()
    loss = float(run.params["train.learning_rate"])
    return {"loss": loss, "began": began, "ended": time.time()}


def reporting(run: Run) -> float:
    """Report three times and return."""
    loss = float(run.params["train.learning_rate"])
    for step in range(1, REPORTS + 1):
        run.report(step, loss / step)
    return loss
