"""Earlier runs: those of this database and those that were imported, in one form."""

from __future__ import annotations

from tuner.history.store.database import HistoryStore
from tuner.history.store.records import (
    Goal,
    HistoricStudy,
    HistoricTrial,
    Rejection,
    StudySummary,
)

__all__ = [
    "Goal",
    "HistoricStudy",
    "HistoricTrial",
    "HistoryStore",
    "Rejection",
    "StudySummary",
]
