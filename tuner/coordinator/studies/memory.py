"""The studies in the coordinator's memory, loaded from the Storage and kept up to date.

Loading a study with 100 000 trials takes many seconds. So studies are loaded beside the loop, which
waits a moment for the small ones and continues without the large ones until they are ready.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

from tuner.coordinator.studies.study_loading import load_study_run
from tuner.coordinator.studies.study_run import StudyRun
from tuner.storage import Storage
from tuner.trials.study import Study

#: Number of studies loaded at a time, so that a small study need not wait for a large one.
LOADERS = 4
#: Maximum seconds that the loop waits for studies that it has begun to load.
LOAD_WAIT_S = 0.5


class Memory:
    """The open studies by id. Only the loop changes it; `get` is thread-safe.

    Args:
        storage: the source of truth.
        wake: called when a study was loaded, or a proposal was prepared.
    """

    def __init__(self, storage: Storage, wake: Callable[[], None]) -> None:
        self._storage = storage
        self._wake = wake
        self._runs: dict[int, StudyRun] = {}
        self._lock = threading.Lock()
        self._loaders = ThreadPoolExecutor(LOADERS, thread_name_prefix="loader")
        #: Studies being loaded, as they were when that began.
        self._loading: dict[int, tuple[Study, Future[StudyRun]]] = {}
        self._wait_until = 0.0

    def __len__(self) -> int:
        """Return the number of loaded studies."""
        return len(self._runs)

    def __iter__(self) -> Iterator[StudyRun]:
        """Iterate over the loaded studies."""
        return iter(list(self._runs.values()))

    def get(self, study_id: int) -> StudyRun | None:
        """Return a study, None if it is not loaded."""
        with self._lock:
            return self._runs.get(study_id)

    def refresh(self, studies: Mapping[int, Study]) -> dict[int, tuple[Study, BaseException]]:
        """Load studies that are missing or were edited, and forget those no longer open.

        Returns:
            The studies that could not be loaded, by id, with the exceptions.
        """
        for run in self:
            study = studies.get(run.study.id)
            if study is None or study.revision != run.study.revision:
                self.forget(run.study.id)
        for study_id, (begun, future) in list(self._loading.items()):
            study = studies.get(study_id)
            if study is None or study.revision != begun.revision:
                del self._loading[study_id]
                future.add_done_callback(_close)
        # The one with the fewest trials first, because it loads fastest.
        missing = [row for key, row in studies.items() if not self._is_known(key)]
        for study in sorted(missing, key=_size):
            self._begin(study)
        return self._take_loaded() if self._loading else {}

    def _is_known(self, study_id: int) -> bool:
        return study_id in self._runs or study_id in self._loading

    def _begin(self, study: Study) -> None:
        future = self._loaders.submit(load_study_run, self._storage, study, self._wake)
        self._loading[study.id] = (study, future)
        self._wait_until = time.monotonic() + LOAD_WAIT_S
        future.add_done_callback(lambda _: self._wake())

    def _take_loaded(self) -> dict[int, tuple[Study, BaseException]]:
        problems: dict[int, tuple[Study, BaseException]] = {}
        left = max(0.0, self._wait_until - time.monotonic())
        wait([future for _, future in self._loading.values()], timeout=left)
        for study_id, (study, future) in list(self._loading.items()):
            if not future.done():
                continue
            del self._loading[study_id]
            failed = future.exception()
            if failed is not None:
                problems[study_id] = (study, failed)
                continue
            with self._lock:
                self._runs[study_id] = future.result()
        return problems

    def forget(self, study_id: int) -> None:
        """Make the next refresh reload a study."""
        with self._lock:
            run = self._runs.pop(study_id, None)
        if run is not None:
            run.close()

    def clear(self) -> None:
        """Forget every study."""
        for _, future in self._loading.values():
            future.add_done_callback(_close)
        self._loading.clear()
        for run in self:
            self.forget(run.study.id)

    def close(self) -> None:
        """Forget every study, and load no more."""
        self.clear()
        self._loaders.shutdown(wait=False, cancel_futures=True)


def _size(study: Study) -> int:
    return study.next_number if isinstance(study.next_number, int) else 0


def _close(future: Future[StudyRun]) -> None:
    """Release a study that was loaded in vain."""
    if not future.cancelled() and future.exception() is None:
        future.result().close()
