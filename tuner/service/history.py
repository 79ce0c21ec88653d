"""The history as users see it."""

from __future__ import annotations

from tuner.documents.history import HistoryRejection, HistoryStudy
from tuner.history import HistoryStore
from tuner.history.store.writing import HistoryWriter
from tuner.security.identity import caller
from tuner.service.answers.times import iso


class HistoryService(HistoryWriter):
    """The history of a database: to read, to import into, and to clean up."""

    def history(self) -> list[HistoryStudy]:
        """Return every study in history that the caller may see, newest first."""
        who = caller()
        return [
            {
                "key": study.key,
                "kind": study.kind,
                "locator": study.locator,
                "is_own": study.is_own,
                "trials": study.trials,
                "metrics": [{"name": n, "goal": goal} for n, goal in study.metrics.items()],
                "parameters": sorted(study.parameters),
                "finished": iso(study.finished),
                "notes": list(study.notes),
            }
            for study in HistoryStore(self._storage).studies()
            if who.projects is None or (study.is_own and who.sees(study.key.partition("/")[0]))
        ]

    def history_rejected(self) -> list[HistoryRejection]:
        """Return what an import named and could not use."""
        return [
            {"locator": locator, "path": item.path, "reason": item.reason, "count": item.count}
            for locator, item in HistoryStore(self._storage).rejected()
        ]
