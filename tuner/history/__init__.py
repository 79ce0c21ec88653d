"""Earlier runs: those of this database and those that were imported, in one form."""

from __future__ import annotations

from tuner.history.records import (
    Goal,
    HistoricStudy,
    HistoricTrial,
    Rejection,
    StudySummary,
)
from tuner.history.store import HistoryStore

__all__ = [
    "Goal",
    "HistoricStudy",
    "HistoricTrial",
    "HistoryStore",
    "Rejection",
    "StudySummary",
]
