"""The studies that the coordinator has in memory, loaded from the Storage and kept up with it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.leadership import Leadership
from tuner.coordinator.study_run import StudyRun, load_study_run
from tuner.errors import UnavailableError
from tuner.storage import Storage

logger = logging.getLogger(__name__)


class Memory:
    """The open studies by id. Only the loop changes it; `get` is safe from any thread.

    Args:
        storage: the truth.
        leadership: is kept while studies are loaded.
        on_proposal: told when a proposal was prepared.
    """

    def __init__(
        self, storage: Storage, leadership: Leadership, on_proposal: Callable[[], None]
    ) -> None:
        self._storage = storage
        self._leadership = leadership
        self._on_proposal = on_proposal
        self._runs: dict[int, StudyRun] = {}
        self._lock = threading.Lock()
        #: Studies that cannot be loaded, as their rows were.
        self._broken: dict[int, sa.Row[Any]] = {}

    def __iter__(self) -> Iterator[StudyRun]:
        """Iterate over the studies that are loaded."""
        return iter(list(self._runs.values()))

    def get(self, study_id: int) -> StudyRun | None:
        """Return a study, None when it is not loaded."""
        with self._lock:
            return self._runs.get(study_id)

    def refresh(self, studies: Mapping[int, sa.Row[Any]]) -> dict[int, str]:
        """Load what is missing or was edited, and forget what is no longer open.

        Returns:
            Why studies could not be loaded, by id; each is named once and tried again only after
            its row has changed.
        """
        for run in self:
            study = studies.get(run.study.id)
            if study is None or study.revision != run.study.revision:
                self.forget(run.study.id)
        missing = [
            study
            for study in studies.values()
            if study.id not in self._runs and self._broken.get(study.id) != study
        ]
        if not missing:
            return {}
        # Thousands of trials take seconds: longer than the lead may last without being extended.
        with self._leadership.kept():
            found = {study.id: self._load(study) for study in missing}
        return {study_id: problem for study_id, problem in found.items() if problem is not None}

    def forget(self, study_id: int) -> None:
        """Have a study loaded anew by the next refresh."""
        with self._lock:
            run = self._runs.pop(study_id, None)
        if run is not None:
            run.close()

    def clear(self) -> None:
        """Forget every study."""
        self._broken.clear()
        for run in self:
            self.forget(run.study.id)

    def _load(self, study: sa.Row[Any]) -> str | None:
        try:
            run = load_study_run(self._storage, study, self._on_proposal)
        except (UnavailableError, sa.exc.DBAPIError):
            raise
        except Exception as exc:
            # A study that cannot be read must not stop the others.
            logger.exception("study not loaded", extra={"study": f"{study.project}/{study.name}"})
            self._broken[study.id] = study
            return f"{type(exc).__name__}: {exc}"
        with self._lock:
            self._runs[study.id] = run
        return None
